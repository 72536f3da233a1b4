/** How a number is shown: register contents are hexadecimal, counts decimal. */
export type Base = "hex" | "decimal";

/** A fixed structure of little-endian fields: where each is and what it is called. */
export interface Layout {
  readonly fields: readonly Field[];
  readonly sizeBytes: number;
}

/** One field, or a list of equal ones. */
export interface Field {
  readonly name: string;
  /** From the start of the structure. */
  readonly offset: number;
  readonly kind: FieldKind;
  /** Set for a list: entries, and octets from one to the next. */
  readonly list?: { readonly count: number; readonly strideBytes: number };
}

/** What a field holds. */
export type FieldKind =
  | {
      readonly type: "integer";
      readonly bytes: number;
      readonly base: Base;
      readonly signed?: true;
    }
  /** Octets as they are, in hexadecimal. */
  | { readonly type: "octets"; readonly bytes: number }
  /** Parts of one octet, the lowest first; parts without a name are left out. */
  | { readonly type: "bits"; readonly parts: readonly (readonly [name: string, bits: number])[] }
  | { readonly type: "struct"; readonly layout: Layout };

/** A piece of a layout, placed behind the one before it. */
export type Piece =
  | { readonly piece: "pad"; readonly bytes: number }
  | { readonly piece: "at"; readonly offset: number }
  | { readonly piece: "field"; readonly name: string; readonly kind: FieldKind }
  | {
      readonly piece: "list";
      readonly name: string;
      readonly kind: FieldKind;
      readonly count: number;
      readonly strideBytes: number;
    };

/** Puts pieces behind each other. */
export function layout(...pieces: readonly (Piece | readonly Piece[])[]): Layout {
  const fields: Field[] = [];
  let offset = 0;
  let sizeBytes = 0;
  for (const piece of pieces.flat()) {
    switch (piece.piece) {
      case "pad":
        offset += piece.bytes;
        break;
      case "at":
        offset = piece.offset;
        break;
      case "field":
        fields.push({ name: piece.name, offset, kind: piece.kind });
        offset += kindBytes(piece.kind);
        break;
      case "list": {
        const { name, kind, count, strideBytes } = piece;
        fields.push({ name, offset, kind, list: { count, strideBytes } });
        offset += count * strideBytes;
        break;
      }
    }
    sizeBytes = Math.max(sizeBytes, offset);
  }
  return { fields, sizeBytes };
}

/** Octets of one field of a kind. */
export function kindBytes(kind: FieldKind): number {
  switch (kind.type) {
    case "integer":
    case "octets":
      return kind.bytes;
    case "bits":
      return 1;
    case "struct":
      return kind.layout.sizeBytes;
  }
}

/** Unsigned registers of so many bits, by their names in one text. */
export function hex(bits: 8 | 16 | 32 | 64, names: string): readonly Piece[] {
  return integers(names, { type: "integer", bytes: bits / 8, base: "hex" });
}

/** Unsigned counts of so many bits, by their names in one text. */
export function decimal(bits: 8 | 16 | 32 | 64, names: string): readonly Piece[] {
  return integers(names, { type: "integer", bytes: bits / 8, base: "decimal" });
}

/** Signed numbers. */
export function signed(bits: 8 | 64, names: string): readonly Piece[] {
  return integers(names, { type: "integer", bytes: bits / 8, base: "decimal", signed: true });
}

/** Registers in a row. */
export function hexList(
  name: string,
  { bits, count, strideBytes }: { bits: number; count: number; strideBytes?: number },
): Piece {
  const kind = { type: "integer", bytes: bits / 8, base: "hex" } as const;
  return { piece: "list", name, kind, count, strideBytes: strideBytes ?? kind.bytes };
}

/** Structures in a row. */
export function structList(name: string, of: Layout, count: number): Piece {
  const kind = { type: "struct", layout: of } as const;
  return { piece: "list", name, kind, count, strideBytes: of.sizeBytes };
}

/** A structure in another. */
export function struct(name: string, of: Layout): Piece {
  return { piece: "field", name, kind: { type: "struct", layout: of } };
}

/** Octets as they are. */
export function octets(name: string, bytes: number): Piece {
  return { piece: "field", name, kind: { type: "octets", bytes } };
}

/** Parts of one octet, the lowest first. */
export function bits(...parts: readonly (readonly [name: string, bits: number])[]): Piece {
  return { piece: "field", name: "", kind: { type: "bits", parts } };
}

/** Octets without a meaning. */
export function pad(bytes: number): Piece {
  return { piece: "pad", bytes };
}

/** Goes on at an offset. */
export function at(offset: number): Piece {
  return { piece: "at", offset };
}

function integers(names: string, kind: FieldKind): readonly Piece[] {
  return names.split(" ").map((name) => ({ piece: "field", name, kind }));
}
