/** `coffer api`, `taskmanager`, `conductor`, `guestagent`: one role as a process of its own, until it is told to stop. */
import { Effect, type Layer } from "effect"
import { Command } from "effect/cli"
import type { ConfigurationOf, Role } from "../layers/config/Configuration.ts"
import { load } from "../layers/config/load.ts"
import * as ApiRole from "../layers/roles/ApiRole.ts"
import * as ConductorRole from "../layers/roles/ConductorRole.ts"
import * as GuestagentRole from "../layers/roles/GuestagentRole.ts"
import * as TaskmanagerRole from "../layers/roles/TaskmanagerRole.ts"
import { configFlag } from "./configFlag.ts"
import { failWith } from "./failure.ts"
import { launch } from "./launch.ts"

const role = <R extends Role, A, E>(
  name: R,
  description: string,
  layer: (config: ConfigurationOf<R>) => Layer.Layer<A, E>
) =>
  Command.make(name, { config: configFlag }, ({ config }) =>
    Effect.matchEffect(load(config, process.env, name), {
      onFailure: failWith,
      onSuccess: (configuration) =>
        Effect.andThen(
          Effect.logInfo(`coffer ${name} starts`),
          Effect.onInterrupt(
            launch(layer(configuration), { setting: "the configuration", database: configuration.database.url }),
            () => Effect.logInfo(`coffer ${name} has stopped`)
          )
        )
    })
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([
      { command: `coffer ${name} --config coffer.toml`, description: "See what it needs: coffer config check" }
    ])
  )

export const api = role("api", "Serve the REST API", ApiRole.layer)
export const taskmanager = role("taskmanager", "Run the actors, one for each instance", TaskmanagerRole.layer)
export const conductor = role("conductor", "Take what guests report", ConductorRole.layer)
export const guestagent = role(
  "guestagent",
  "Run the databases of this machine, with an agent for each",
  GuestagentRole.layer
)
