/** Run by a test as a user who may use the engine and nothing else: a database from its start to its end, twice begun. */
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { DatabaseRuntime } from "../../src/guest/DatabaseRuntime.ts"
import { containerName } from "../../src/layers/runtime/docker/Container.ts"
import { discardContainer, Engine } from "../../src/layers/runtime/docker/Engine.ts"
import { containerSpec, dockerLayer } from "../support/containers.ts"

const quiet = () => Effect.void

const life = Effect.gen(function* () {
  const runtime = yield* DatabaseRuntime
  const spec = yield* containerSpec("mariadb", 11)
  yield* runtime.start(spec, quiet)
  yield* runtime.stop(spec)
  // As if the host had failed in the middle of the initialisation: the files of the image's user have to go.
  writeFileSync(join(spec.volume, "initialising"), "")
  yield* runtime.start(spec, quiet)
  yield* runtime.remove(spec.instanceId, spec.volume)
  return readdirSync(spec.volume)
})

/** What an upgrade does with files that only the image's user may read. */
const besideData = Effect.gen(function* () {
  const { kept, start, stop } = yield* DatabaseRuntime
  const spec = yield* containerSpec("mariadb", 11)
  yield* start(spec, quiet)
  const { free, needed } = yield* kept.room(spec)
  yield* stop(spec)
  yield* kept.keep(spec)
  const copied = readdirSync(spec.volume)
  yield* kept.putBack(spec)
  const back = readdirSync(spec.volume)
  yield* kept.keep(spec)
  yield* start(spec, quiet)
  yield* kept.forget(spec)
  return { hasRoom: needed > 1024 ** 2 && free > needed, copied, back, forgotten: readdirSync(spec.volume) }
})

/** Somebody else removed the container, and with it what told whose the files are. */
const withoutContainer = Effect.gen(function* () {
  const runtime = yield* DatabaseRuntime
  const { docker } = yield* Engine
  const spec = yield* containerSpec("postgresql", 11)
  yield* runtime.start(spec, quiet)
  yield* discardContainer(docker, containerName(spec.instanceId))
  yield* runtime.remove(spec.instanceId, spec.volume)
  return readdirSync(spec.volume)
})

const left = await Effect.runPromise(
  Effect.all({ life, besideData, withoutContainer }).pipe(Effect.scoped, Effect.provide(dockerLayer))
)
process.stdout.write(JSON.stringify(left))
