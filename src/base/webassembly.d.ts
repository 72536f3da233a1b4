/**
 * The part of the WebAssembly interface that is used here. TypeScript declares it for browsers
 * only, and the browser's other names have no business in this project.
 *
 * @source WebAssembly JavaScript Interface, W3C; threads proposal for `shared`
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array | ArrayBuffer);
  }

  class Instance {
    constructor(
      module: Module,
      imports?: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
    );
    readonly exports: Readonly<Record<string, unknown>>;
  }

  class Memory {
    /** Sizes in pages of 64 KiB. */
    constructor(limits: {
      readonly initial: number;
      readonly maximum?: number;
      readonly shared?: boolean;
    });
    readonly buffer: ArrayBuffer;
  }

  class Global {
    readonly value: number | bigint;
  }

  function compile(bytes: Uint8Array | ArrayBuffer): Promise<Module>;
}
