/**
 * Whatever tenants and an administrator ask, in whatever order, while time passes or not: every answer, and all that can be
 * seen after it, is what a small model says. More of it: COFFER_FUZZ_RUNS=2000 COFFER_FUZZ_SEED=7 npm test test/http/model
 */
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { commands } from "./Commands.ts"
import { playAll } from "./Play.ts"

/** How many sequences are played where nobody says it. */
const enough = 30
const runs = Number(process.env["COFFER_FUZZ_RUNS"] ?? enough)
const seed = Number(process.env["COFFER_FUZZ_SEED"] ?? 1)

/** What is met in any run of enough sequences. */
const usual = [
  "create 200, create 400, create 413, show 200, show 404, rename 202, restart 202, restart 422, delete 202, delete 404",
  "create databases 202, create databases 400, create databases 422, delete database 202, create users 202",
  "create users 400, create users 422, change user 202, grant 202, grant 404, enable root 200, show root 200",
  "disable root 404, set quota 200, set quota 401, retry 202, retry 409"
].flatMap((line) => line.split(", "))

const silently = Layer.merge(TestClock.layer(), Logger.layer([]))

it("the API is what the model is", { timeout: 3_600_000 }, async () => {
  const met = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(commands, (all) => Effect.runPromise(Effect.provide(playAll(all, met), silently))),
    { numRuns: runs, seed }
  )
  // It did not all end in refusals.
  if (runs >= enough) for (const what of usual) expect(met.get(what) ?? 0, what).toBeGreaterThan(0)
})
