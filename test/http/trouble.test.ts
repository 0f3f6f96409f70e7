/** Why a database does not serve, where its tenant looks. */
import { expect, it } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { gigabyte } from "../../src/guest/VolumeWatch.ts"
import { MemoryVolumes } from "../../src/layers/memory/MemoryGuestHosts.ts"
import { Observations } from "../../src/services/Observations.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import * as Service from "./service.ts"

const Shown = Schema.Struct({
  instance: Schema.Struct({
    status: Schema.String,
    operating_status: Schema.String,
    operating_status_reason: Schema.optionalKey(Schema.String)
  })
})

it.effect("an instance shows why its database is down, for as long as it is", () =>
  World.run(
    Effect.gen(function* () {
      const ask = yield* Service.make
      const { crash, faults } = yield* FakeDatabases
      const id = yield* World.create(["shop"])
      const seen = Effect.gen(function* () {
        const { body } = yield* ask({ name: World.project, admin: false }, "GET", `/instances/${id}`)
        return Schema.decodeUnknownSync(Shown)(body).instance
      })
      yield* World.passes("5 seconds")
      expect(yield* seen).toEqual({ status: "ACTIVE", operating_status: "HEALTHY" })

      const used = yield* MemoryVolumes
      used.set(id, gigabyte)
      faults.startFails = new RuntimeError({ message: "It does not start.", detail: "ENOSPC", transient: true })
      crash(id)
      yield* World.passes("2 minutes", "1 second")
      expect(yield* seen).toEqual({
        ...{ status: "ACTIVE", operating_status: "SHUTDOWN" },
        operating_status_reason: "the database is down: the volume is full (1.0 of 1 GB used): resize it"
      })

      used.set(id, gigabyte / 2)
      faults.startFails = null
      yield* World.passes("1 minute", "1 second")
      expect(yield* seen).toEqual({ status: "ACTIVE", operating_status: "HEALTHY" })

      // What was told of trouble that is over is no reason for what came after it.
      const { record } = yield* Observations
      const at = yield* Clock.currentTimeMillis
      yield* record([{ instance: id, status: "unknown", receivedAt: at, sent: at + 1000 }])
      expect((yield* seen).operating_status_reason).toBeUndefined()
    }).pipe(Effect.scoped)
  )
)
