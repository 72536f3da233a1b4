import type { LibxlChannel } from "../helper/libxl-channel.ts";
import { type DirtyMode, resultOf, type XenDomain } from "./addon.ts";

/** What reaches the device model of a domain. */
export type DeviceModel = Pick<LibxlChannel, "switchQemuLogdirty">;

/**
 * Log-dirty mode of a domain, and of its device model, which writes to the guest past the
 * hypervisor's sight.
 *
 * @source xg_sr_save_x86_hvm.c, x86_hvm_setup: a PV domain's device model, which only serves
 *   backends, is never asked; libxl would fail
 */
export class DomainLogDirty {
  readonly #domain: XenDomain;
  readonly #domid: number;
  readonly #frameCount: number;
  readonly #deviceModel: DeviceModel | undefined;
  #isDeviceModelOn = false;
  #isOn = false;
  #mode: DirtyMode = "clean";

  constructor(parts: {
    readonly domain: XenDomain;
    readonly domid: number;
    readonly frameCount: number;
    /** Absent for PV domains. */
    readonly deviceModel: DeviceModel | undefined;
  }) {
    this.#domain = parts.domain;
    this.#domid = parts.domid;
    this.#frameCount = parts.frameCount;
    this.#deviceModel = parts.deviceModel;
  }

  /**
   * @throws MigrationError GUEST_HOST_CALL where Xen cannot; HELPER_*
   */
  async enable(): Promise<void> {
    await this.#deviceModel?.switchQemuLogdirty(this.#domid, "on");
    this.#isDeviceModelOn = true;
    resultOf(await this.#domain.enableLogDirty());
    this.#isOn = true;
  }

  /** Says that the guest stands still: what is read from now on is final. */
  suspended(): void {
    this.#mode = "final";
  }

  /** Adds the dirty pages to `outBitmap` and forgets them; returns how many there are. */
  async cleanDirty(outBitmap: Uint8Array): Promise<number> {
    return await this.#read(this.#mode, outBitmap);
  }

  /** Counts dirty pages without forgetting them. */
  async peekDirty(): Promise<number> {
    return await this.#read("peek", new Uint8Array(Math.ceil(this.#frameCount / 64) * 8));
  }

  /** Switches off what was switched on, all of it whatever fails; throws what failed first. */
  async disable(): Promise<void> {
    const wasOn = this.#isOn;
    const wasDeviceModelOn = this.#isDeviceModelOn;
    this.#isOn = false;
    this.#isDeviceModelOn = false;
    try {
      if (wasOn) {
        resultOf(await this.#domain.disableLogDirty());
      }
    } finally {
      if (wasDeviceModelOn) {
        await this.#deviceModel?.switchQemuLogdirty(this.#domid, "off");
      }
    }
  }

  async #read(mode: DirtyMode, out: Uint8Array): Promise<number> {
    return resultOf(await this.#domain.readDirty({ mode, frameCount: this.#frameCount, out }));
  }
}
