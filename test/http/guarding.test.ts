/** Who is asked to keep clients out and cannot says so at once, and is not given what is to be guarded. */
import { expect, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { InstanceId } from "../../src/services/Ids.ts"
import { Placements } from "../../src/services/Placements.ts"
import * as Fleet from "../kit/Fleet.ts"
import * as World from "../kit/World.ts"
import * as Service from "./service.ts"

const tenant = { name: World.project, admin: false }
const Made = Schema.Struct({ instance: Schema.Struct({ id: InstanceId }) })
const Refused = Schema.Struct({ badRequest: Schema.Struct({ message: Schema.String }) })

it.effect("a restriction is refused where no machine can enforce it, and else has one that can", () =>
  Fleet.run(
    Effect.gen(function* () {
      const ask = yield* Service.make
      const order = (access: object) =>
        ask(tenant, "POST", "/instances", {
          instance: { name: "db", flavorRef: "1", volume: { size: 1 }, ...access }
        })
      const access = { access: { allowed_cidrs: ["10.0.0.0/8"] } }
      const refusal = (body: unknown) => Schema.decodeUnknownSync(Refused)(body).badRequest.message
      const made = (body: unknown) => Schema.decodeUnknownSync(Made)(body).instance.id

      const bare = yield* Fleet.machine("bare", "10.1.0.0/24", 8192)
      bare.databases.firewall.faults.isMissing = true
      yield* bare.start
      yield* World.passes("1 second")
      const no = yield* order(access)
      expect([no.status, refusal(no.body)]).toEqual([
        400,
        "Validation error: access.allowed_cidrs cannot be enforced: no machine can restrict who reaches a database."
      ])
      const id = made((yield* order({})).body)
      yield* World.passes("10 seconds")
      expect(yield* World.status(id)).toBe("ACTIVE")

      const guarding = yield* Fleet.machine("guarding", "10.2.0.0/24", 4096)
      yield* guarding.start
      yield* World.passes("1 second")
      const path = `/instances/${id}`
      for (const query of ["", "?preview=true"]) {
        const change = yield* ask(tenant, "PUT", `${path}${query}`, { instance: access })
        expect([change.status, refusal(change.body)]).toEqual([
          400,
          "Validation error: access.allowed_cidrs cannot be enforced: the machine of the instance cannot restrict who reaches it."
        ])
      }
      expect((yield* ask(tenant, "PUT", path, { instance: { access: { allowed_cidrs: [] } } })).status).toBe(202)

      const kept = made((yield* order(access)).body)
      yield* World.passes("10 seconds")
      expect(yield* World.status(kept)).toBe("ACTIVE")
      expect(Option.getOrThrow(yield* (yield* Placements).find(kept)).host).toBe("guarding")
      expect(guarding.databases.firewall.guards.get(kept)?.networks).toEqual(["10.0.0.0/8"])
      // A machine tells anew with each report.
      bare.databases.firewall.faults.isMissing = false
      yield* World.passes("20 seconds")
      expect((yield* ask(tenant, "PUT", path, { instance: access })).status).toBe(202)
    }).pipe(Effect.scoped)
  )
)
