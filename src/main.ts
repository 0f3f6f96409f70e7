/** The coffer command. */
// First, before any schema is used: compiles schemas to code, which halves the cost of a request.
import "effect/schema/SchemaJITCompiler/enable"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { coffer } from "./cli/coffer.ts"
import * as Ending from "./cli/ending.ts"
import { roles } from "./layers/config/Configuration.ts"
import * as Logging from "./layers/Logging.ts"
import * as Telemetry from "./layers/Telemetry.ts"

/** A role that is a process of its own is a service of its own. */
const role = roles.find((role) => role === process.argv[2])

/** Telemetry adds its logger to those that are there, so ours must be there first. */
const telemetry = Telemetry.layerOf(role === undefined ? "coffer" : `coffer-${role}`).pipe(
  Layer.provideMerge(Logging.layer)
)

/** A script for a shell is printed by `coffer completion`, which knows more than a flag could. */
const flags = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.LogLevel] })

Command.run(coffer, { version: "0.1.0" }).pipe(
  Effect.provide(Layer.mergeAll(NodeServices.layer, telemetry, flags)),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: Ending.listen() })
)
