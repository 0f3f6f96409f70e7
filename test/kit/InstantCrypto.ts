/**
 * WebCrypto whose digests are ready at once. The workflow engine digests its ids; the platform's own digest
 * takes real time, for which virtual time does not wait.
 */
import { createHash } from "node:crypto"
import { WebCrypto } from "effect/crypto"

const digest: SubtleCrypto["digest"] = async (_, data) => {
  const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : data
  return new Uint8Array(createHash("sha256").update(new Uint8Array(bytes)).digest()).buffer
}

const subtle: SubtleCrypto = Object.create(globalThis.crypto.subtle, { digest: { value: digest } })
const instant: Crypto = Object.create(globalThis.crypto, {
  subtle: { value: subtle },
  getRandomValues: { value: globalThis.crypto.getRandomValues.bind(globalThis.crypto) }
})

export const layer = WebCrypto.layer(instant)
