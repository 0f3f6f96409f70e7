/**
 * What this machine can run databases with: containers where an engine answers, else processes. What new
 * databases get is decided once, at the start; an instance keeps for life what it was made for, and an engine that
 * came up after us is found for it.
 */
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { DatabaseRuntime } from "../../guest/DatabaseRuntime.ts"
import { MariadbManager } from "../../guest/MariadbManager.ts"
import { PostgresManager } from "../../guest/PostgresManager.ts"
import * as DockerRuntime from "../runtime/DockerRuntime.ts"
import { answers, Engine } from "../runtime/docker/Engine.ts"
import * as Mariadb from "../runtime/MariadbServer.ts"
import * as ProcessRuntime from "../runtime/ProcessRuntime.ts"
import type { Host } from "./EmbeddedCatalog.ts"
import { LocalRuntimes } from "./LocalRuntimes.ts"

/** How often an engine that did not answer at the start is looked for. */
export const lookAgainInterval = Duration.seconds(5)

export type RuntimeChoice = "auto" | "docker" | "process"

/** Docker was asked for, and no engine answers. */
export class NoEngine extends Schema.TaggedError<NoEngine>()("NoEngine", { detail: Schema.String }) {
  override get message() {
    return `No Docker engine answers (${this.detail}). Start one, or run with --runtime process.`
  }
}

/** The version of the MariaDB server that can be run here. */
const installedMariadb = Effect.flatMap(Mariadb.isInstalled, (isInstalled) =>
  isInstalled ? Effect.option(Mariadb.installedVersion) : Effect.succeed(Option.none<string>())
)

/** What there is, as `choice` wants it. */
export const inspect = Effect.fn("Host.inspect")(function* (choice: RuntimeChoice) {
  const engine = choice === "process" ? Option.none() : yield* Engine.find
  if (choice === "docker" && Option.isNone(engine))
    return yield* new NoEngine({ detail: "DOCKER_HOST or /var/run/docker.sock" })
  const host: Host = {
    runtime: Option.isSome(engine) ? "docker" : "process",
    mariadb: yield* installedMariadb
  }
  return { host, engine }
})

const docker = (engine: Option.Option<Engine["Service"]>) =>
  Option.match(engine, {
    onNone: () => Effect.succeed(undefined),
    onSome: (engine) =>
      Effect.gen(function* () {
        const context = yield* Layer.build(DockerRuntime.layer.pipe(Layer.provide(Layer.succeed(Engine, engine))))
        return { engine, runtime: yield* Effect.provideContext(DatabaseRuntime, context) }
      })
  })

export const layer = ({ engine, host }: { readonly host: Host; readonly engine: Option.Option<Engine["Service"]> }) =>
  Layer.effect(
    LocalRuntimes,
    Effect.gen(function* () {
      let asContainer = yield* docker(engine)
      const lookAgain = Effect.gen(function* () {
        while (asContainer === undefined) {
          yield* Effect.sleep(lookAgainInterval)
          asContainer = yield* docker(yield* Engine.find)
        }
      })
      yield* Effect.forkScoped(lookAgain)
      const obstacle = Effect.suspend(() => {
        if (host.runtime === "process") return Effect.succeed(null)
        const isThere = asContainer === undefined ? Effect.succeed(false) : answers(asContainer.engine)
        return Effect.map(isThere, (isThere) => (isThere ? null : "the container engine does not answer"))
      })
      const asProcess = yield* Effect.provideContext(DatabaseRuntime, yield* Layer.build(ProcessRuntime.layer))
      return LocalRuntimes.of({
        byKind: (kind) => (kind === "docker" ? asContainer?.runtime : asProcess),
        choose: () => host.runtime,
        managers: [PostgresManager, MariadbManager],
        obstacle
      })
    })
  )
