import { expect, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { load } from "../../src/layers/config/load.ts"

const urlsOf = (env: Readonly<Record<string, string>>) =>
  Effect.map(load(Option.none(), env), ({ broker }) => (broker.urls ?? []).map(Redacted.value))

it.effect("several brokers may stand in one URL, as oslo.messaging writes them", () =>
  Effect.gen(function* () {
    const one = "amqp://ann:pw@one:5672/v"
    const two = "amqp://ann:pw@two:5673/v"
    expect(yield* urlsOf({ COFFER_BROKER_URLS: "amqp://ann:pw@one:5672,ann:pw@two:5673/v" })).toEqual([one, two])
    expect(yield* urlsOf({ COFFER_BROKER_URLS: `${one},${two}` })).toEqual([one, two])
    expect(yield* urlsOf({ COFFER_BROKER_URLS: one })).toEqual([one])
  })
)

it.effect("each of them is held to the rule", () =>
  Effect.gen(function* () {
    const { message } = yield* Effect.flip(urlsOf({ COFFER_BROKER_URLS: "amqp://ann:sekrit@one:5672,two:5673/v" }))
    expect(message).toContain("broker.urls[1] must be a URL")
    expect(message).not.toContain("sekrit")
  })
)
