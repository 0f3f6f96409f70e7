/**
 * One seal: AES-256-GCM over a text, bound to everything that the text is to be read with. Nonce (12 bytes), tag
 * (16 bytes), ciphertext; base64.
 *
 * Nonces are drawn. Two of one key coincide with a chance that is small for as long as fewer than 2^32 texts are
 * sealed with it: at a hundred messages a second, a year and four months; a party sends a few in a minute.
 */
import { isUtf8 } from "node:buffer"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { Option, Redacted } from "effect"

const algorithm = "aes-256-gcm"
const nonceLength = 12
const tagLength = 16

/** 32 bytes. */
export type SealKey = Redacted.Redacted<Uint8Array>

/** What the text belongs to. As a JSON array it can be read in one way only, whatever stands in it. */
export type Binding = ReadonlyArray<string>
const bytesOf = (binding: Binding) => Buffer.from(JSON.stringify(binding), "utf8")

export const seal = (key: SealKey, binding: Binding, text: string): string => {
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv(algorithm, Redacted.value(key), nonce).setAAD(bytesOf(binding))
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64")
}

/** None where anything of it was changed, down to how its bytes are written. */
export const open = (key: SealKey, binding: Binding, sealed: string): Option.Option<string> => {
  const bytes = Buffer.from(sealed, "base64")
  // The decoder passes over what is no base64, so that many texts stand for the same bytes.
  if (bytes.length < nonceLength + tagLength || bytes.toString("base64") !== sealed) return Option.none()
  const decipher = createDecipheriv(algorithm, Redacted.value(key), bytes.subarray(0, nonceLength), {
    authTagLength: tagLength
  })
    .setAAD(bytesOf(binding))
    .setAuthTag(bytes.subarray(nonceLength, nonceLength + tagLength))
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(nonceLength + tagLength)), decipher.final()])
    return isUtf8(text) ? Option.some(text.toString("utf8")) : Option.none()
  } catch {
    return Option.none()
  }
}
