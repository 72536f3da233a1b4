#!/usr/bin/env node
/**
 * Behaves as `xl` does, towards who runs it and towards the save helper it runs, on made-up
 * domains: those of files `NUMBER.json` in the folder FAKE_XL, where `calls` gets a line for each
 * command.
 *
 * FAKE_XL_MODE: "not-xen" there is no Xen; "strange" prints what no xl prints; "refuse" a domain
 * that arrives cannot be started; "vanish" no report comes; "slow" waits before permission until
 * the file `go` is there.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";

const FOLDER = process.env.FAKE_XL;
const MODE = process.env.FAKE_XL_MODE ?? "";
const NUMBER = {
  log: 1,
  progress: 2,
  suspend: 3,
  logdirty: 7,
  staticData: 8,
  results: 9,
  complete: 10,
};
const SCRIPTED_BYTES = 3;
const BANNER = "xl migration protocol banner";
const READY = "receiver ready";
const GO = "go";
const REPORT = "report";

const file = (name) => path.join(FOLDER, name);
const say = (line) => writeSync(2, `${line}\n`);

/** Each in a file of its own, since both ends of a migration change theirs at the same time. */
function domains() {
  const names = readdirSync(FOLDER).filter((name) => /^\d+\.json$/.test(name));
  return names
    .map((name) => JSON.parse(readFileSync(file(name), "utf8")))
    .sort((one, other) => one.domid - other.domid);
}

function keep(domain) {
  const draft = file(`draft.${process.pid}`);
  writeFileSync(draft, JSON.stringify(domain));
  renameSync(draft, file(`${domain.domid}.json`));
}

function change(domid, changes) {
  keep({ ...JSON.parse(readFileSync(file(`${domid}.json`), "utf8")), ...changes });
}

function destroy(domid) {
  rmSync(file(`${domid}.json`));
}

function find(text) {
  const found = domains().find(({ domid }) => String(domid) === text);
  if (found === undefined) {
    say(`${text} is an invalid domain identifier (rc=-6)`);
    process.exit(1);
  }
  return found;
}

/** Options before `--`, and what is behind it. */
function parse(args) {
  const at = args.indexOf("--");
  return { options: args.slice(0, at), rest: args.slice(at + 1) };
}

function list(args) {
  if (MODE === "strange" && args[0] !== "-l") {
    process.stdout.write("what is this\nthis is no list\n");
  } else if (args[0] === "-l") {
    process.stdout.write(`${JSON.stringify(domains().map(longForm))}\n`);
  } else {
    const lines = [{ name: "Domain-0", domid: 0, mib: 1536, vcpus: 2 }, ...domains()].map(lineOf);
    process.stdout.write(`${[LIST_HEAD, ...lines].join("\n")}\n`);
  }
}

const LIST_HEAD = "Name                                        ID   Mem VCPUs\tState\tTime(s)";

function longForm({ domid, name, type }) {
  return { domid, config: { c_info: { name, type } } };
}

function lineOf({ name, domid, mib, vcpus, state = "r-----" }) {
  const numbers = [String(domid).padStart(5), String(mib).padStart(5), String(vcpus).padStart(5)];
  return `${name.padEnd(40)} ${numbers.join(" ")}     ${state}       1.5`;
}

/** Runs the helper as libxl does; resolves with whether it did its work. */
async function runHelper(args, stream, onSuspend) {
  const helper = process.env.LIBXL_SAVE_HELPER;
  if (!helper) {
    // Xen's own, which tells nobody that it takes what the scripts of these tests write.
    readExactly(stream, SCRIPTED_BYTES);
    return true;
  }
  const child = spawn(helper, args, { stdio: ["pipe", "pipe", "inherit", stream] });
  child.on("error", (error) => say(`libxl: error: cannot execute ${helper}: ${error.message}`));
  child.stdin.on("error", () => undefined);
  const exited = once(child, "exit").catch(() => [-1]);
  const answer = (value) => child.stdin.write(Buffer.from(Int32Array.of(value).buffer));
  let rest = Buffer.alloc(0);
  let result = -1;
  for await (const chunk of child.stdout) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16LE()) {
      const message = rest.subarray(2, 2 + rest.readUInt16LE());
      rest = rest.subarray(2 + message.length);
      const number = message.readUInt16LE();
      if (number === NUMBER.log && message.readUInt32LE(2) === 8) {
        const context = message.readUInt32LE(10);
        const text = message.subarray(18 + context, -1);
        // In pieces, as xl writes them.
        for (const piece of ["xc: ", "error: ", `${text}`, "\n"]) {
          writeSync(2, piece);
        }
      } else if (number === NUMBER.suspend) {
        await onSuspend?.();
        answer(1);
      } else if (number === NUMBER.complete) {
        result = message.readInt32LE(2);
        answer(0);
      } else if (number === NUMBER.logdirty || number === NUMBER.staticData) {
        answer(0);
      }
    }
  }
  const [status] = await exited;
  return status === 0 && result === 0;
}

const saveArguments = (domid, flags) => [
  "--save-domain",
  "3",
  "-1",
  String(domid),
  flags,
  "136",
  "0",
];
const restoreArguments = (domid) => [
  "--restore-domain",
  "3",
  "-1",
  String(domid),
  "1",
  "0",
  "2",
  "0",
  "768",
  "0",
];

function suspend(domid) {
  change(domid, { state: "---ss-" });
  const flags = process.env.FAKE_XEN && path.join(process.env.FAKE_XEN, `${domid}.flags`);
  if (flags) {
    writeFileSync(flags, String((1 << 1) | (1 << 2) | (2 << 16)));
  }
}

/** @source tools/xl/xl.h, save_file_header */
function header({ name, type, mib, vcpus }) {
  const config = { c_info: { name, type }, b_info: { max_vcpus: vcpus, max_memkb: mib * 1024 } };
  const text = Buffer.from(`${JSON.stringify(config)}\0`);
  const fields = Buffer.from(Uint32Array.of(0x01020304, 3, 0, 4 + text.length, text.length).buffer);
  return Buffer.concat([
    Buffer.from("Xen saved domain, xl format\n \0 \r", "latin1"),
    fields,
    text,
  ]);
}

function readDomain(fd) {
  const head = readExactly(fd, 48);
  const text = readExactly(fd, head.readUInt32LE(44)).subarray(4, -1);
  const { c_info, b_info } = JSON.parse(text);
  return { ...c_info, mib: b_info.max_memkb / 1024, vcpus: b_info.max_vcpus };
}

function readExactly(fd, byteCount) {
  const octets = Buffer.alloc(byteCount);
  for (let filled = 0; filled < byteCount; ) {
    const count = readSync(fd, octets, filled, byteCount - filled, null);
    if (count === 0) {
      throw new Error("the stream ends in the header");
    }
    filled += count;
  }
  return octets;
}

async function save(args) {
  const { options, rest } = parse(args);
  const [name, image] = rest;
  const domain = find(name);
  const stream = openSync(image, "w");
  writeSync(stream, header(domain));
  say(`Saving to ${image} new xl format (info 0x3/0x0/1234)`);
  if (!(await runHelper(saveArguments(domain.domid, "0"), stream, () => suspend(domain.domid)))) {
    say("Failed to save domain, resuming domain");
    change(domain.domid, { state: "r-----" });
    return 1;
  }
  if (options.includes("-c")) {
    change(domain.domid, { state: "r-----" });
  } else if (options.includes("-p")) {
    change(domain.domid, { state: "--p---" });
  } else {
    destroy(domain.domid);
  }
  return 0;
}

function nextDomid() {
  return Math.max(0, ...domains().map(({ domid }) => domid)) + 1;
}

async function restore(args) {
  const { options, rest } = parse(args);
  const stream = openSync(rest.at(-1), "r");
  const domain = readDomain(stream);
  const domid = nextDomid();
  keep({ ...domain, domid, state: "--p---" });
  if (!(await runHelper(restoreArguments(domid), stream))) {
    destroy(domid);
    return 3;
  }
  change(domid, { state: options.includes("-p") ? "--p---" : "r-----" });
  return 0;
}

/** Waits for exactly that; false at the end of the stream. */
async function expect(stream, text) {
  let got = stream.waiting ?? "";
  for (;;) {
    if (got.length >= text.length) {
      stream.waiting = got.slice(text.length);
      return got.startsWith(text);
    }
    const chunk = stream.read();
    if (chunk !== null) {
      got += chunk;
    } else if (stream.readableEnded) {
      stream.waiting = got;
      return false;
    } else {
      await Promise.race([once(stream, "readable"), once(stream, "end")]);
    }
  }
}

async function migrate(args) {
  const { rest } = parse(args);
  const domain = find(rest[0]);
  const child = spawn("sh", ["-c", rest[1]], { stdio: ["pipe", "pipe", "inherit", 3] });
  child.stdin.on("error", () => undefined);
  const fail = (line) => {
    say(line);
    child.stdin.destroy();
    change(domain.domid, { state: "r-----", name: domain.name });
    return 1;
  };
  if (!(await expect(child.stdout, BANNER))) {
    return fail(
      `migration receiver stream contained unexpected data (command run was: ${rest[1]} )`,
    );
  }
  child.stdin.write(header(domain));
  const args_ = saveArguments(domain.domid, "1");
  if (!(await runHelper(args_, child.stdin, () => suspend(domain.domid)))) {
    say("migration sender: libxl_domain_suspend failed (rc=-3)");
    return fail("Migration failed, resuming at sender.");
  }
  if (!(await expect(child.stdout, READY))) {
    return fail("Migration failed, resuming at sender.");
  }
  say("migration sender: Target has acknowledged transfer.");
  change(domain.domid, { name: `${domain.name}--migratedaway` });
  if (MODE === "slow") {
    await untilThere("go");
  }
  say("migration sender: Giving target permission to start.");
  child.stdin.write(GO);
  if (!(await expect(child.stdout, REPORT))) {
    say("** Migration failed during final handshake **");
    return 1;
  }
  if (!(await expect(child.stdout, "0"))) {
    say("migration sender: Target reports startup failure (status code 3).");
    return fail("Migration failed due to problems at target.");
  }
  say("migration sender: Target reports successful startup.");
  destroy(domain.domid);
  say("Migration successful.");
  return 0;
}

async function untilThere(name) {
  const watcher = watch(FOLDER);
  while (!existsSync(file(name))) {
    await once(watcher, "change");
  }
  watcher.close();
}

/** False where nobody listens any more. */
function tell(sentence) {
  try {
    return writeSync(1, sentence) > 0;
  } catch {
    return false;
  }
}

async function migrateReceive(args) {
  say("migration target: Ready to receive domain.");
  writeSync(1, BANNER);
  const domain = readDomain(0);
  const domid = nextDomid();
  keep({ ...domain, name: `${domain.name}--incoming`, domid, state: "--p---" });
  if (!(await runHelper(restoreArguments(domid), 0))) {
    destroy(domid);
    say("migration target: Domain creation failed (code -3).");
    return 1;
  }
  say("migration target: Transfer complete, requesting permission to start domain.");
  if (!tell(READY) || !(await expect(process.stdin, GO))) {
    destroy(domid);
    return 1;
  }
  if (MODE === "vanish") {
    return 1;
  }
  const isRefused = MODE === "refuse";
  if (isRefused) {
    destroy(domid);
  } else {
    change(domid, { name: domain.name, state: args.includes("-p") ? "--p---" : "r-----" });
    say("migration target: Domain started successsfully.");
  }
  writeSync(1, `${REPORT}${isRefused ? 1 : 0}`);
  return 0;
}

const COMMANDS = { list, save, restore, migrate, "migrate-receive": migrateReceive };

if (MODE === "not-xen") {
  say("xencall: error: Could not obtain handle on privileged command interface: No such file");
  say("cannot init xl context");
  process.exit(1);
}
const [command, ...args] = process.argv.slice(2);
appendFileSync(file("calls"), `${JSON.stringify([command, ...args])}\n`);
if (command === "info") {
  process.stdout.write("host                   : made-up\nxen_version            : 4.17.7\n");
} else {
  const status = await COMMANDS[command](args);
  // Like the real one, whatever is still open.
  process.exit(status ?? 0);
}
