/** Keys made of keys, by HKDF with SHA-256 (RFC 5869): whoever has one of them knows neither its origin nor a sister. */
import { hkdfSync } from "node:crypto"
import { Redacted } from "effect"

const keyLength = 32

/** What can stand for a party: 32 bytes, or a guest's 32 letters and digits. */
export type Origin = Redacted.Redacted<string | Uint8Array>

/** 32 bytes. `purpose` names what they are for, and nothing else is made with the same name. */
export const derive = (from: Origin, purpose: string): Redacted.Redacted<Uint8Array> =>
  Redacted.make(new Uint8Array(hkdfSync("sha256", Redacted.value(from), "", `coffer.1 ${purpose}`, keyLength)))
