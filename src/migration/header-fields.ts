import type { DomainHeaderEvent, XlHeaderEvent } from "../codec/events.ts";
import { withConfig } from "../codec/headers.ts";
import { jsonPlaces, jsonText, withJsonValue } from "../codec/json-text.ts";
import { parseInteger, valueError } from "../codec/scalar.ts";
import { type ImageField, Names } from "./fields.ts";

const BITS_32 = { bits: 32, isSigned: false } as const;

/** The fields of xl's header, of which the configuration is most. */
export function xlFields(event: XlHeaderEvent): readonly ImageField<XlHeaderEvent>[] {
  const flags = (["mandatory", "optional"] as const).map((name) => {
    const member = `${name}Flags` as const;
    return {
      path: `xl.${name}_flags`,
      value: event.header[member],
      set: (text: string) => {
        const header = { ...event.header, [member]: Number(parseInteger(text, BITS_32)) };
        return { ...event, header };
      },
    };
  });
  return [...flags, ...configFields(event)];
}

function configFields(event: XlHeaderEvent): readonly ImageField<XlHeaderEvent>[] {
  const { config } = event.header;
  if (config === undefined) {
    return [];
  }
  const nul = config.indexOf(0);
  const text = nul === -1 ? config : config.subarray(0, nul);
  const rest = config.subarray(text.length);
  const names = new Names();
  return jsonPlaces(text).map((place) => ({
    path: names.next(place.path === "" ? "xl.config" : `xl.config.${place.path}`),
    value: jsonText(text, place),
    ...(!place.isLeaf && { isWhole: true }),
    set: (value: string) => {
      const changed = withJsonValue(text, place, value);
      const whole = new Uint8Array(Buffer.concat([changed, rest]));
      return changed === text ? event : { ...event, header: withConfig(event.header, whole) };
    },
  }));
}

/** The fields of libxc's domain header that can be set. */
export function domainFields(event: DomainHeaderEvent): readonly ImageField<DomainHeaderEvent>[] {
  const { guestType, xenMajor, xenMinor } = event.header;
  const guest = {
    path: "libxc.guest_type",
    value: guestType,
    set: (text: string) => {
      const header = { ...event.header, guestType: Number(parseInteger(text, BITS_32)) };
      return { ...event, header };
    },
  };
  const xen = {
    path: "libxc.xen",
    value: `${xenMajor}.${xenMinor}`,
    set: (text: string) => {
      const [major, minor, ...others] = text.split(".");
      if (major === undefined || minor === undefined || others.length > 0) {
        throw valueError(text, { wanted: "a version such as 4.17" });
      }
      const version = [major, minor].map((part) => Number(parseInteger(part, BITS_32)));
      const header = { ...event.header, xenMajor: version[0]!, xenMinor: version[1]! };
      return { ...event, header };
    },
  };
  return [guest, xen];
}
