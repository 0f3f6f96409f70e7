/** `coffer audit`: what there is that no record owns, and what records claim that is not there, over the whole fleet. */
import { hostname } from "node:os"
import { Console, Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import { Auditor, layer as auditor } from "../actors/Auditor.ts"
import { fixesOf } from "../actors/Remedies.ts"
import { auditView } from "../http/audit/AuditView.ts"
import * as HostsCompute from "../layers/compute/HostsCompute.ts"
import * as HostsInventory from "../layers/compute/HostsInventory.ts"
import type { ConfigurationOf } from "../layers/config/Configuration.ts"
import { load } from "../layers/config/load.ts"
import * as PgAuditStore from "../layers/postgres/PgAuditStore.ts"
import * as PgJournal from "../layers/postgres/PgJournal.ts"
import * as PgOrders from "../layers/postgres/PgOrders.ts"
import * as PgPlacements from "../layers/postgres/PgPlacements.ts"
import * as ControlPlane from "../layers/roles/ControlPlane.ts"
import * as GuestAccess from "../layers/roles/GuestAccess.ts"
import { auditCode, couldNotLook, renderAudit } from "./auditView.ts"
import { configFlag } from "./configFlag.ts"
import { telling } from "./databaseFailure.ts"
import { printJson } from "./document.ts"
import { failWith } from "./failure.ts"
import { quietly } from "./quietly.ts"

const computeSettings = ({ broker, taskmanager }: ConfigurationOf<"taskmanager">) => ({
  command: taskmanager.compute_command ?? null,
  queues: broker.queues
})

/** What a taskmanager audits with, but for what it keeps up at the broker: to look changes nothing. */
const auditing = (config: ConfigurationOf<"taskmanager">) =>
  auditor(HostsInventory.standing(config.taskmanager.compute_command)).pipe(
    Layer.provide([
      HostsInventory.layer(computeSettings(config)),
      HostsCompute.layer(computeSettings(config)).pipe(Layer.provide(PgOrders.layer)),
      GuestAccess.layer(config, { upkeep: false }).pipe(Layer.provide(FetchHttpClient.layer)),
      PgPlacements.layer([]),
      PgAuditStore.layer,
      PgJournal.layer
    ]),
    Layer.provide(ControlPlane.fabricOf(config, `${hostname()}-audit-${process.pid}`)),
    Layer.provide(ControlPlane.store(config, "audit"))
  )

const fix = Flag.Boolean("fix").pipe(
  Flag.withDescription(
    "Put right what can be: remove what no record owns, but for what holds data, and give guests their logins again"
  ),
  Flag.withDefault(false)
)
const removeData = Flag.Boolean("remove-data").pipe(
  Flag.withDescription("With --fix: remove servers that no record owns as well, with all their data"),
  Flag.withDefault(false)
)
const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

const endWith = (code: number) =>
  Effect.sync(() => {
    if (code !== 0) process.exitCode = code
  })

/** Says why, and ends with the code of an audit that could not look. */
const unable = (error: { readonly message: string }) => Effect.andThen(failWith(error), endWith(couldNotLook))

export const audit = Command.make(
  "audit",
  { config: configFlag, fix, json, removeData },
  Effect.fnUntraced(
    function* ({ config, fix, json, removeData }) {
      if (removeData && !fix) return yield* unable({ message: "--remove-data goes with --fix." })
      const configuration = yield* load(config, process.env, "taskmanager")
      const { url } = configuration.database
      const report = yield* Effect.gen(function* () {
        const context = yield* Layer.build(auditing(configuration)).pipe(Effect.catchTag("SqlError", telling(url)))
        return yield* Effect.provide(
          Effect.flatMap(Auditor, (auditor) => auditor.audit(fixesOf({ fix, removeData }))),
          context
        )
      }).pipe(Effect.scoped, Effect.catchDefect(telling(url)))
      yield* json ? printJson({ ...auditView(report) }) : Console.log(renderAudit(report))
      yield* endWith(auditCode(report))
    },
    quietly,
    Effect.catchTags({
      ConfigurationInvalid: unable,
      DatabaseFailed: unable,
      GuestAccessError: unable,
      NoManagement: unable,
      SchemaMismatch: unable
    })
  )
).pipe(
  Command.withDescription(
    "Look for what no record owns (servers, logins, keys, addresses …), and for what records claim and is not there"
  ),
  Command.withExamples([
    { command: "coffer audit", description: "Look only; ends with 0 if all is well, 1 if not, 2 if it could not look" },
    {
      command: "coffer audit --fix",
      description: "Take back what nobody owns and holds no data, and make again what can be"
    },
    {
      command: "coffer audit --fix --remove-data",
      description: "Remove databases that nobody owns as well; after an older store was put back, that is all since"
    }
  ])
)
