import { join, octetsIn } from "../support/bytes.ts";
import { bodyOf, type HeaderName, type Piece, record, split, XC, XL } from "./pieces.ts";

const { u32, u64 } = octetsIn("little");

/** Names a header, or a record by layer, type and which of them (from the end if negative). */
export type Place =
  | HeaderName
  | { readonly layer: "libxl" | "libxc"; readonly type: number; readonly which?: number };

/** The record of libxc's stream of that type; `which` counts from 0, or from -1 at the end. */
export function xc(type: number, which = 0): Place {
  return { layer: "libxc", type, which };
}

/** The same of libxl's stream. */
export function xl(type: number, which = 0): Place {
  return { layer: "libxl", type, which };
}

/** An image that is being edited. */
export class Draft {
  #pieces: readonly Piece[];

  /** @param image sound, in xl's format; not changed. */
  constructor(image: Uint8Array) {
    this.#pieces = split(image);
  }

  /** What has become of the image: chunks in order. */
  chunks(): readonly Uint8Array[] {
    return this.#pieces.map(({ bytes }) => bytes);
  }

  has(place: Place): boolean {
    return this.#pieces.some((piece) => isOf(piece, place));
  }

  /** A copy of all octets of a header, or of the body of a record. */
  read(place: Place): Uint8Array {
    const piece = this.#pieces[this.#indexOf(place)]!;
    return piece.kind === "record" ? bodyOf(piece) : piece.bytes.slice();
  }

  view(place: Place): DataView {
    return new DataView(this.read(place).buffer);
  }

  /** Puts other octets at `offset` of a header, or of a record's body; lengths stay. */
  patch(place: Place, offset: number, bytes: Uint8Array): void {
    this.#change(place, (piece) => {
      const patched = piece.bytes.slice();
      patched.set(bytes, offset + (piece.kind === "record" ? 8 : 0));
      return { ...piece, bytes: patched };
    });
  }

  /** Puts another length into a record's header, and leaves the record as it is. */
  claim(place: Place, bodyBytes: number): void {
    this.patch(place, -4, u32(bodyBytes));
  }

  /** Gives a record another type and leaves its body. */
  retype(place: Place, type: number): void {
    this.patch(place, -8, u32(type));
  }

  /** Gives a record another body, with a header that fits; a header other octets. */
  write(place: Place, body: Uint8Array, fill = 0): void {
    this.#change(place, (piece) =>
      piece.kind === "record"
        ? record(piece.layer, piece.type, body, fill)
        : { ...piece, bytes: body },
    );
  }

  before(place: Place, ...pieces: readonly Piece[]): void {
    this.#splice(this.#indexOf(place), 0, pieces);
  }

  after(place: Place, ...pieces: readonly Piece[]): void {
    this.#splice(this.#indexOf(place) + 1, 0, pieces);
  }

  drop(place: Place): void {
    this.#splice(this.#indexOf(place), 1, []);
  }

  dropAll(place: Exclude<Place, HeaderName>): void {
    this.#pieces = this.#pieces.filter((piece) => !isOf(piece, place));
  }

  /** A piece as it is, to put it elsewhere as well. */
  copy(place: Place): Piece {
    return this.#pieces[this.#indexOf(place)]!;
  }

  /** Takes a piece out and puts it elsewhere. */
  move(place: Place, to: { readonly before: Place } | { readonly after: Place }): void {
    const piece = this.copy(place);
    this.drop(place);
    if ("before" in to) {
      this.before(to.before, piece);
    } else {
      this.after(to.after, piece);
    }
  }

  /** Ends the file `offset` octets into a piece, counted from its header. */
  cut(place: Place, offset: number): void {
    const index = this.#indexOf(place);
    const piece = this.#pieces[index]!;
    this.#pieces = [
      ...this.#pieces.slice(0, index),
      { kind: "rest", bytes: piece.bytes.subarray(0, offset) },
    ];
  }

  append(bytes: Uint8Array): void {
    this.#pieces = [...this.#pieces, { kind: "rest", bytes }];
  }

  /** Replaces xl's optional data, with the header's length to fit. */
  writeXlData(data: Uint8Array): void {
    this.write("xl-data", data);
    this.patch("xl-header", 44, u32(data.length));
  }

  /** Replaces the configuration's text. */
  writeConfig(text: string, end = "\0"): void {
    const octets = new TextEncoder().encode(`${text}${end}`);
    this.writeXlData(join(u32(octets.length), octets));
  }

  /** The configuration's text, without what ends it. */
  config(): string {
    const data = this.read("xl-data");
    const length = new DataView(data.buffer).getUint32(0, true);
    return new TextDecoder().decode(data.subarray(4, 4 + length)).replace(/\0$/, "");
  }

  /** Reads and replaces pfn words of a PAGE_DATA, its pages left as they are. */
  words(place: Place, edit: (words: bigint[]) => void): void {
    const body = this.read(place);
    const words = pfnWords(body);
    const wordsEnd = 8 + words.length * 8;
    edit(words);
    const count = u32(words.length, 0);
    this.write(place, join(count, u64(...words), body.subarray(wordsEnd)));
  }

  #change(place: Place, change: (piece: Piece) => Piece): void {
    const index = this.#indexOf(place);
    this.#splice(index, 1, [change(this.#pieces[index]!)]);
  }

  #splice(index: number, deleteCount: number, pieces: readonly Piece[]): void {
    const edited = [...this.#pieces];
    edited.splice(index, deleteCount, ...pieces);
    this.#pieces = edited;
  }

  #indexOf(place: Place): number {
    const found = [...this.#pieces.keys()].filter((index) => isOf(this.#pieces[index]!, place));
    const which = typeof place === "string" ? 0 : (place.which ?? 0);
    const index = found.at(which);
    if (index === undefined) {
      throw new Error(`the image has no ${JSON.stringify(place)}`);
    }
    return index;
  }
}

function isOf(piece: Piece, place: Place): boolean {
  return typeof place === "string"
    ? piece.kind === "header" && piece.name === place
    : piece.kind === "record" && piece.layer === place.layer && piece.type === place.type;
}

/** The pfn words of PAGE_DATA's body. */
export function pfnWords(body: Uint8Array): bigint[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  return Array.from({ length: view.getUint32(0, true) }, (_, index) =>
    view.getBigUint64(8 + index * 8, true),
  );
}

/** A page with what names it: page types below BROKEN (13) have one. */
export interface Page {
  readonly pfn: number;
  readonly type: number;
  /** Where the page is in the body; `undefined` where the type has none. */
  readonly offset: number | undefined;
  /** Which of the record's words it is. */
  readonly index: number;
}

/** The pages of a PAGE_DATA's body. */
export function pagesOf(body: Uint8Array): readonly Page[] {
  const words = pfnWords(body);
  let offset = 8 + words.length * 8;
  return words.map((word, index) => {
    const type = Number(word >> 60n);
    const pfn = Number(word & 0xf_ffff_ffff_ffffn);
    const page = { pfn, type, index, offset: type < 13 ? offset : undefined };
    offset += type < 13 ? 4096 : 0;
    return page;
  });
}

export { record, XC, XL };
