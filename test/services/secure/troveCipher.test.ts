/** Trove's routine, against what Trove itself made of known texts, keys and first blocks. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Option, Redacted, Schema } from "effect"
import fc from "fast-check"
import { decrypt, encrypt } from "../../../src/layers/fabric/secure/TroveCipher.ts"

const Vector = Schema.Struct({
  key: Schema.String,
  iv_hex: Schema.String,
  plaintext_json: Schema.optionalKey(Schema.String),
  plaintext: Schema.optionalKey(Schema.String),
  base64: Schema.String
})
const file = new URL("../../fixtures/wire/crypto-vectors.json", import.meta.url)
const vectors = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Vector)))(readFileSync(file, "utf8"))

const key = Redacted.make("AbCdEfGhIjKlMnOpQrStUvWxYz012345")

describe("Trove's cipher", () => {
  it("makes of each text what Trove makes of it, and gives it back", () => {
    expect(vectors.length).toBe(17)
    for (const vector of vectors) {
      const text = vector.plaintext ?? vector.plaintext_json ?? ""
      const theirs = Redacted.make(vector.key)
      expect(encrypt(theirs, text, Buffer.from(vector.iv_hex, "hex"))).toBe(vector.base64)
      expect(decrypt(theirs, vector.base64)).toEqual(Option.some(text))
    }
  })

  it("gives back any text, and never the same bytes for it twice", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const sealed = encrypt(key, text)
        expect(decrypt(key, sealed)).toEqual(Option.some(text))
        expect(encrypt(key, text)).not.toBe(sealed)
      })
    )
  })

  it("finds nothing in what is no text of its key, whatever that is", () => {
    fc.assert(fc.property(fc.string(), (text) => decrypt(key, text)._tag === "None"))
    const sealed = Buffer.from(encrypt(key, "a".repeat(40)), "base64")
    for (const length of [0, 15, 16, 17, 47]) {
      expect(decrypt(key, sealed.subarray(0, length).toString("base64"))).toEqual(Option.none())
    }
    // Cut to whole blocks, it ends in text where the filling should be.
    expect(decrypt(key, sealed.subarray(0, 48).toString("base64"))).toEqual(Option.none())
  })

  it("never gives the text to another key", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (text, other) => {
        fc.pre(other !== Redacted.value(key))
        expect(decrypt(Redacted.make(other), encrypt(key, text))).not.toEqual(Option.some(text))
      })
    )
  })
})
