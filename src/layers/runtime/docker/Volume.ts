/**
 * What the docker runtime keeps on an instance's volume: `data` (the server's own files), `secret` (the
 * administrator's password, for the entrypoint) and, until the server has once been seen to serve, a mark that says
 * its files are not to be trusted yet.
 */
import { join } from "node:path"
import type Dockerode from "dockerode"
import { Effect, FileSystem, type PlatformError, Redacted } from "effect"
import { type DatabaseSpec, RuntimeError } from "../../../guest/DatabaseRuntime.ts"
import { dataFolder, emptierFor, secretFile } from "./Container.ts"
import { EngineError, request } from "./Engine.ts"

const initialisingMark = (volume: string) => join(volume, "initialising")

const unusable = (error: PlatformError.PlatformError) =>
  new RuntimeError({ message: "The volume of the instance cannot be used.", detail: error.message, transient: true })

/** Whether the server of this volume has yet to serve for the first time. */
export const isInitialising = Effect.fnUntraced(function* (volume: string) {
  const files = yield* FileSystem.FileSystem
  return yield* files.exists(initialisingMark(volume))
}, Effect.mapError(unusable))

export const markInitialised = Effect.fnUntraced(function* (volume: string) {
  const files = yield* FileSystem.FileSystem
  yield* files.remove(initialisingMark(volume), { force: true })
}, Effect.mapError(unusable))

/**
 * The folders, the secret and the mark are there after this. Never makes the volume itself: a folder made where the
 * volume is not mounted would take the tenant's data instead of it.
 */
export const prepareVolume = Effect.fn("Docker.prepareVolume")(function* (spec: DatabaseSpec) {
  const files = yield* FileSystem.FileSystem
  const data = dataFolder(spec.volume)
  const secret = secretFile(spec.volume)
  if (!(yield* files.exists(data))) {
    yield* files.writeFileString(initialisingMark(spec.volume), "")
    yield* files.makeDirectory(data, { mode: 0o700 })
  }
  yield* files.makeDirectory(join(spec.volume, "secret"), { recursive: true, mode: 0o700 })
  yield* files.remove(`${secret}.new`, { force: true })
  yield* files.writeFileString(`${secret}.new`, Redacted.value(spec.adminPassword), { mode: 0o400 })
  yield* files.rename(`${secret}.new`, secret)
}, Effect.mapError(unusable))

/** Empties a folder from inside a container of the image: needs no right of ours over the server's files. */
export const emptyByContainer = Effect.fn("Docker.emptyByContainer")(function* (
  docker: Dockerode,
  folder: string,
  image: string
) {
  const run = (container: Dockerode.Container) =>
    Effect.gen(function* () {
      yield* request(() => container.start())
      const end: { readonly StatusCode: number } = yield* request(() => container.wait())
      if (end.StatusCode === 0) return
      return yield* new EngineError({ status: null, detail: `emptying ${folder} ended with ${end.StatusCode}` })
    })
  yield* Effect.acquireUseRelease(
    request(() => docker.createContainer(emptierFor(folder, image))),
    run,
    (container) => Effect.ignore(request(() => container.remove({ force: true, v: true })))
  )
})

/** The data folder is gone after this; a container does what we may not. */
export const removeData = Effect.fn("Docker.removeData")(
  function* (docker: Dockerode, volume: string, image: string) {
    const files = yield* FileSystem.FileSystem
    const data = dataFolder(volume)
    const remove = files.remove(data, { recursive: true, force: true })
    yield* Effect.catch(remove, () => Effect.andThen(emptyByContainer(docker, data, image), remove))
  },
  Effect.catchTags({
    PlatformError: (error) => Effect.fail(unusable(error)),
    EngineError: (error) =>
      Effect.fail(
        new RuntimeError({ message: "The data could not be removed.", detail: error.detail, transient: true })
      )
  })
)
