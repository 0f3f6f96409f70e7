import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { mail, move } from "../conformance/asActor.ts"
import { active, aGroup, anInstance, reach, request, upgradeOrdersConformance } from "../conformance/upgradeOrders.ts"
import { stores } from "../support/postgres.ts"

upgradeOrdersConformance("orders of another version in memory", MemoryStore.layer)
upgradeOrdersConformance("orders of another version in PostgreSQL", stores)

/** `second` comes while `first` is written, and has its answer when that is there. */
const meanwhile = Effect.fnUntraced(function* <A, E, R, B, F, S>(
  first: Effect.Effect<A, E, R>,
  second: Effect.Effect<B, F, S>
) {
  const sql = yield* SqlClient.SqlClient
  const written = yield* Deferred.make<void>()
  const other = yield* Effect.forkChild(Effect.andThen(Deferred.await(written), second))
  yield* Effect.gen(function* () {
    yield* first
    yield* Deferred.succeed(written, undefined)
    yield* sql`SELECT 1 FROM pg_locks WHERE NOT granted`.pipe(
      Effect.filterOrFail((rows) => rows.length > 0),
      Effect.retry({ times: 400, schedule: Schedule.spaced("25 millis") })
    )
  }).pipe(sql.withTransaction)
  return yield* Fiber.join(other)
})

it.live("orders of another version in PostgreSQL see a change that is being written, and changes see them", () =>
  Effect.gen(function* () {
    const [one, two, group] = [yield* anInstance(), yield* anInstance(), yield* aGroup]
    yield* move(one, active)
    expect(yield* meanwhile(reach(one), request(one, "v-2"))).toBe(false)
    expect(yield* mail(one)).toEqual(["Configure"])
    const { attach } = yield* Configurations
    yield* move(two, active)
    expect(yield* meanwhile(request(two, "v-2"), attach(two, group))).toBe(false)
    expect(yield* mail(two)).toEqual(["Upgrade"])
  }).pipe(Effect.provide(stores))
)
