import type { MissingStaticData } from "../helper/libxl-channel.ts";
import { resultOf, type XenDomain } from "./addon.ts";

/** The policies of a guest's CPUs on their way into a domain, which takes both at once. */
export class CpuPolicyState {
  readonly #domain: XenDomain;
  #cpuid = new Uint8Array(0);
  #msr = new Uint8Array(0);

  constructor(domain: XenDomain) {
    this.#domain = domain;
  }

  takeCpuid(body: Uint8Array): void {
    this.#cpuid = body.slice();
  }

  takeMsr(body: Uint8Array): void {
    this.#msr = body.slice();
  }

  /**
   * Gives the domain the policies there were; says which were missing.
   *
   * @throws MigrationError GUEST_STATE where Xen refuses them.
   */
  apply(): MissingStaticData {
    const missing = { cpuid: this.#cpuid.length === 0, msr: this.#msr.length === 0 };
    if (!missing.cpuid || !missing.msr) {
      resultOf(this.#domain.setCpuPolicies(this.#cpuid, this.#msr));
    }
    return missing;
  }
}
