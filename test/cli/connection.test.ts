/** Which API a command asks, and as whom: flags go before variables, and no token is taken from an argument. */
import { expect, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { type ConnectionFlags, connect, connectionFlags } from "../../src/cli/connection.ts"
import { fileWith } from "../config/fixture.ts"

const flags = (given: Partial<Record<keyof ConnectionFlags, string>> = {}): ConnectionFlags => ({
  url: Option.fromNullishOr(given.url),
  project: Option.fromNullishOr(given.project),
  tokenFile: Option.fromNullishOr(given.tokenFile)
})

const tokenOf = ({ token }: { readonly token: Option.Option<Redacted.Redacted> }) =>
  Option.getOrNull(Option.map(token, Redacted.value))

it.effect("without anything it is the service on this machine", () =>
  Effect.gen(function* () {
    const connection = yield* connect(flags(), {})
    expect(connection).toMatchObject({ base: "http://127.0.0.1:8779/v1.0/demo", project: "demo" })
    expect(tokenOf(connection)).toBeNull()
  })
)

it.effect("flags go before variables, and a variable that is empty is not set", () =>
  Effect.gen(function* () {
    const variables = { COFFER_URL: "https://db.example.org/", COFFER_PROJECT: "a b", COFFER_TOKEN: " abc\n" }
    const set = yield* connect(flags(), variables)
    expect([set.base, tokenOf(set)]).toEqual(["https://db.example.org/v1.0/a%20b", "abc"])
    const tokenFile = yield* fileWith("of-the-file\n")
    const named = yield* connect(flags({ url: "http://h:1", project: "p", tokenFile }), variables)
    expect([named.base, tokenOf(named)]).toEqual(["http://h:1/v1.0/p", "of-the-file"])
    const empty = yield* connect(flags(), { COFFER_URL: "", COFFER_PROJECT: " ", COFFER_TOKEN: "" })
    expect([empty.base, tokenOf(empty)]).toEqual(["http://127.0.0.1:8779/v1.0/demo", null])
  })
)

it.effect("what cannot be used is named, and never told", () =>
  Effect.gen(function* () {
    const refusal = (given: Parameters<typeof flags>[0], variables = {}) =>
      Effect.map(Effect.flip(connect(flags(given), variables)), ({ message }) => message)
    for (const url of ["localhost:8779", "file:///etc", "what"])
      expect(yield* refusal({ url })).toMatch(/is no URL of an API\. Name one with --url, or COFFER_URL/)
    expect(yield* refusal({ tokenFile: "/nowhere/token" })).toBe(
      "The token file /nowhere/token cannot be read (ENOENT)."
    )
    const tokenFile = yield* fileWith("two words\n")
    expect(yield* refusal({ tokenFile })).toBe(`The file ${tokenFile} holds no token: one word is expected.`)
    expect(yield* refusal({}, { COFFER_TOKEN: "two words" })).toBe(
      "The variable COFFER_TOKEN holds no token: one word is expected."
    )
  })
)

it("no flag takes the token itself", () => {
  expect(Object.keys(connectionFlags)).toEqual(["url", "project", "tokenFile"])
})
