/** Every recorded exchange with Trove 18, replayed: the same answer, but for what deviations.ts lists. */
import { expect, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Difference } from "./compare.ts"
import { deviations } from "./deviations.ts"
import { exchanges } from "./Exchange.ts"
import { replay, service } from "./Replay.ts"
import { stories } from "./stories.ts"

class Replayed extends Context.Service<Replayed, ReadonlyMap<string, ReadonlyArray<Difference>>>()(
  "coffer/test/compat/Replayed"
) {}

const then = TestClock.setTime(Date.UTC(2026, 10, 22, 7, 8))

const told = Layer.effect(Replayed, Effect.andThen(then, Effect.provide(replay, service)))

const numberOf = (name: string) => name.slice(0, 3)

/** As lines, in one order. */
const lines = (differences: ReadonlyArray<{ readonly at: string; readonly ours: string }>) =>
  differences.map(({ at, ours }) => `${at}: ${ours}`).toSorted()

const listedFor = (number: string) =>
  deviations.flatMap(({ ours, where }) => (where[number] ?? []).map((at) => ({ at, ours })))

layer(told, { timeout: "1 minute" })("replayed", (it) => {
  for (const name of exchanges.keys()) {
    const listed = listedFor(numberOf(name))
    it.effect(`${name} is answered ${listed.length === 0 ? "as Trove does" : "otherwise, as listed"}`, () =>
      Effect.gen(function* () {
        expect(lines((yield* Replayed).get(name) ?? [])).toEqual(lines(listed))
      })
    )
  }
})

it("each recorded exchange stands in the stories once, in the order of their recording", () => {
  const told = stories.flatMap(({ steps }) => steps.filter((step) => typeof step === "string"))
  expect(told).toEqual([...exchanges.keys()].map(numberOf))
})

it("what is said to deviate was recorded, and is said once", () => {
  const said = deviations.flatMap(({ where }) =>
    Object.entries(where).flatMap(([number, places]) => places.map((place) => `${number} ${place}`))
  )
  expect(said).toEqual([...new Set(said)])
  const numbers = new Set([...exchanges.keys()].map(numberOf))
  expect(said.filter((one) => !numbers.has(numberOf(one)))).toEqual([])
})
