/**
 * The secret box by AES-256-GCM: nonce (12 bytes), tag (16 bytes), ciphertext. The owner is authenticated
 * with it, so that a sealed secret cannot be moved to another instance's row.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { Effect, Layer, Redacted } from "effect"
import { SealBroken, SecretBox } from "../services/SecretBox.ts"

const nonceLength = 12
const tagLength = 16

/** `key`: 32 bytes. */
export const layer = (key: Redacted.Redacted<Uint8Array>): Layer.Layer<SecretBox> =>
  Layer.succeed(SecretBox, {
    seal: (owner, secret) =>
      Effect.sync(() => {
        const nonce = randomBytes(nonceLength)
        const cipher = createCipheriv("aes-256-gcm", Redacted.value(key), nonce).setAAD(Buffer.from(owner))
        const body = Buffer.concat([cipher.update(Redacted.value(secret), "utf8"), cipher.final()])
        return Buffer.concat([nonce, cipher.getAuthTag(), body])
      }),
    open: (owner, sealed) =>
      Effect.try({
        try: () => {
          const decipher = createDecipheriv("aes-256-gcm", Redacted.value(key), sealed.subarray(0, nonceLength))
            .setAAD(Buffer.from(owner))
            .setAuthTag(sealed.subarray(nonceLength, nonceLength + tagLength))
          const body = decipher.update(sealed.subarray(nonceLength + tagLength))
          return Redacted.make(Buffer.concat([body, decipher.final()]).toString("utf8"))
        },
        catch: () => new SealBroken({ owner })
      })
  })
