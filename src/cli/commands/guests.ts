import { readFile } from "node:fs/promises";
import { MigrationError } from "../../base/errors.ts";
import { parseConfigFile, parseGuestSpec } from "../../guest/config.ts";
import { attachGuest, listGuests, openBackend } from "../../guest/open.ts";
import type { GuestCheck, GuestConfig, GuestSource } from "../../guest/types.ts";
import { formatBytes, formatCount } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";
import type { ListedDomain } from "../../xl/domains.ts";
import { Xl } from "../../xl/xl.ts";
import { isProven, renderCheck } from "../check-text.ts";
import { chooseEmbedded, domainsIfAny } from "../choose-guest.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";

interface CreateOptions {
  readonly guest?: string;
  readonly name?: string;
  readonly paused?: boolean;
}

/** create, list, pause, unpause, check, destroy. */
export function registerGuestCommands({ program, run }: Registrar): void {
  program
    .command("create [file]")
    .description("create a guest from an xl.cfg-style file or a short description")
    .option("--guest <spec>", "for example process:memory=1G,dirty=200M,hot=10%")
    .option("--name <name>", "instead of the name in the description")
    .option("-p, --paused", "leave it paused")
    .action((file: string | undefined, options: CreateOptions, command) =>
      run(command, (context) => create(context, file, options)),
    );
  program
    .command("list")
    .description("list the embedded guests of this user, and the domains of this machine's Xen")
    .action((_options, command) => run(command, list));
  addNameCommand("pause", "stop a guest's vCPUs", (guest) => guest.pause());
  addNameCommand("unpause", "let a paused guest run on", (guest) => guest.resume());
  addNameCommand("destroy", "end a guest at once", (guest) => guest.destroy());
  program
    .command("check <name>")
    .description("have a guest prove that its memory is what it must be")
    .action((name: string, _options, command) => run(command, (context) => check(context, name)));

  function addNameCommand(
    verb: string,
    description: string,
    action: (guest: GuestSource) => Promise<void>,
  ): void {
    program
      .command(`${verb} <name>`)
      .description(description)
      .action((name: string, _options, command) =>
        run(command, (context) => withGuest(context, name, action)),
      );
  }
}

/**
 * The guest that a file or `--guest` describes. @throws MigrationError USAGE_ARGUMENT, GUEST_CONFIG
 */
async function describedGuest(
  context: Context,
  file: string | undefined,
  options: CreateOptions,
): Promise<GuestConfig> {
  if ((file === undefined) === (options.guest === undefined)) {
    throw new MigrationError("USAGE_ARGUMENT", { needs: "a file or --guest, one of them" });
  }
  if (options.guest !== undefined) {
    return renamed(parseGuestSpec(options.guest), options.name);
  }
  const { config, ignoredKeys } = parseConfigFile(await readText(file!));
  if (ignoredKeys.length > 0) {
    context.note(`${file}: ignored: ${ignoredKeys.join(", ")}`);
  }
  return renamed(config, options.name);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}

function renamed(config: GuestConfig, name: string | undefined): GuestConfig {
  return name === undefined ? config : { ...config, name };
}

async function create(
  context: Context,
  file: string | undefined,
  options: CreateOptions,
): Promise<number> {
  const config = await describedGuest(context, file, options);
  const backend = await openBackend(config.kind, { runDir: context.runDir });
  const guest = await backend.create(config, options.paused === true ? "paused" : "running");
  await guest.cleanup();
  context.result({ name: config.name, kind: config.kind }, () => `created ${config.name}`);
  return EXIT.SUCCESS;
}

async function list(context: Context): Promise<number> {
  const [listed, domains] = await Promise.all([
    listGuests(context),
    domainsIfAny(Xl.find(process.env), context),
  ]);
  const described = await Promise.all(listed.map(({ name }) => describeUnlessLost(context, name)));
  const embedded = described.filter((guest) => guest !== undefined);
  const guests = [...embedded, ...domains.map((domain) => ({ ...domain, kind: "xen" }))];
  const rows = [...embedded.map(listRow), ...domains.map(domainRow)];
  context.result(guests, () => renderTable(LIST_HEAD, rows));
  return EXIT.SUCCESS;
}

const LIST_HEAD = ["name", "kind", "memory", "vcpus", "state", "stores"];

/** A guest may end between being listed and being asked. */
async function describeUnlessLost(context: Context, name: string) {
  try {
    return await describe(context, name);
  } catch (error) {
    if (error instanceof MigrationError && error.code.startsWith("GUEST_")) {
      return undefined;
    }
    throw error;
  }
}

async function describe(context: Context, name: string) {
  const guest = await attachGuest(name, context);
  try {
    const { kind, memoryBytes, vcpus } = guest.config;
    const status = await guest.status();
    const stores = status.vcpus.reduce((sum, vcpu) => sum + vcpu.stores, 0n);
    return { name, kind, memoryBytes, vcpus, state: status.runState, stores };
  } finally {
    await guest.cleanup();
  }
}

function listRow(guest: Awaited<ReturnType<typeof describe>>): readonly string[] {
  const memory = formatBytes(guest.memoryBytes);
  return [guest.name, guest.kind, memory, `${guest.vcpus}`, guest.state, formatCount(guest.stores)];
}

function domainRow({ name, type, memoryBytes, vcpus, state }: ListedDomain): readonly string[] {
  const kind = type === undefined ? "xen" : `xen ${type}`;
  return [name, kind, formatBytes(memoryBytes), `${vcpus}`, state, "-"];
}

async function withGuest(
  context: Context,
  name: string,
  action: (guest: GuestSource) => Promise<void>,
): Promise<number> {
  const guest = await attachGuest(await chooseEmbedded(name, context), context);
  try {
    await action(guest);
  } finally {
    await guest.cleanup();
  }
  return EXIT.SUCCESS;
}

async function check(context: Context, name: string): Promise<number> {
  let result: GuestCheck | undefined;
  await withGuest(context, name, async (guest) => {
    result = await guest.check();
  });
  context.result(result, () => renderCheck(result!));
  return isProven(result!) ? EXIT.SUCCESS : EXIT.WORLD;
}
