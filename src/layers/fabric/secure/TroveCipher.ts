/**
 * The routine by which Trove encrypts what its parties tell each other: AES-256-CBC with a key that is an MD5 in
 * hexadecimal, and no seal. It keeps a secret from readers, and not from being altered: who can write to the queue
 * can change the text blindly, and send an old message again. Ours is in `Seal.ts`.
 */
import { isUtf8 } from "node:buffer"
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto"
import { Option, Redacted } from "effect"

const algorithm = "aes-256-cbc"
const blockLength = 16

/** The 32 digits of the hash are the 32 bytes of the key, as text. */
const cipherKey = (key: Redacted.Redacted) => createHash("md5").update(Redacted.value(key), "utf8").digest("hex")

/** Base64 of the first block, which is random, and the encrypted text, filled up to whole blocks. */
export const encrypt = (key: Redacted.Redacted, text: string, iv: Uint8Array = randomBytes(blockLength)): string => {
  const cipher = createCipheriv(algorithm, cipherKey(key), iv)
  return Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final()]).toString("base64")
}

/** None where it is no text of this key. A wrong key is noticed by the filling alone: once in 256 times it is not. */
export const decrypt = (key: Redacted.Redacted, sealed: string): Option.Option<string> => {
  const bytes = Buffer.from(sealed, "base64")
  if (bytes.length < 2 * blockLength || bytes.length % blockLength !== 0) return Option.none()
  const decipher = createDecipheriv(algorithm, cipherKey(key), bytes.subarray(0, blockLength))
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(blockLength)), decipher.final()])
    return isUtf8(text) ? Option.some(text.toString("utf8")) : Option.none()
  } catch {
    return Option.none()
  }
}
