/**
 * What the docker runtime keeps on an instance's volume: `data` (the server's own files), `secret` (the
 * administrator's password, for the entrypoint, and the image's reference), `settings` (the server's file), `logs` (see LogFolder) and, until the server has once been seen to
 * serve, a mark that says its files are not to be trusted yet.
 */
import { basename, join } from "node:path"
import type Dockerode from "dockerode"
import { Effect, FileSystem, Redacted } from "effect"
import { type DatabaseSpec, RuntimeError } from "../../../guest/DatabaseRuntime.ts"
import { serverFile } from "../../../services/configuration/ServerFile.ts"
import { replaceFile } from "../../embedded/DurableFile.ts"
import { emptyLogs, prepareLogs } from "../LogFolder.ts"
import {
  dataFolder,
  emptierFor,
  emptierName,
  imageFile,
  secretFile,
  settingsBefore,
  settingsFile,
  settingsFolder
} from "./Container.ts"
import { discardContainer, EngineError, orAbsent, request } from "./Engine.ts"

const initialisingMark = (volume: string) => join(volume, "initialising")

const unusable = (error: { readonly message: string }) =>
  new RuntimeError({ message: "The volume of the instance cannot be used.", detail: error.message, transient: true })

/** A full disk is one that may have room later. */
const promised = (work: () => Promise<void>) =>
  Effect.tryPromise({ try: work, catch: (error) => ({ message: String(error) }) })

/** Whether the server of this volume has yet to serve for the first time. */
export const isInitialising = Effect.fnUntraced(function* (volume: string) {
  const files = yield* FileSystem.FileSystem
  return yield* files.exists(initialisingMark(volume))
}, Effect.mapError(unusable))

/** Its files are trusted from now on. What was logged until now may hold the administrator's password. */
export const markInitialised = Effect.fnUntraced(function* (spec: DatabaseSpec) {
  const files = yield* FileSystem.FileSystem
  yield* promised(() => emptyLogs(spec))
  yield* files.remove(initialisingMark(spec.volume), { force: true })
}, Effect.mapError(unusable))

const replace = Effect.fnUntraced(function* (path: string, text: string) {
  const files = yield* FileSystem.FileSystem
  yield* files.remove(`${path}.new`, { force: true })
  yield* files.writeFileString(`${path}.new`, text, { mode: 0o400 })
  yield* files.rename(`${path}.new`, path)
})

/** Whoever the image runs the server as reads it. */
const writeSettings = Effect.fnUntraced(function* (spec: DatabaseSpec) {
  const files = yield* FileSystem.FileSystem
  const folder = settingsFolder(spec.volume)
  yield* files.makeDirectory(folder, { recursive: true, mode: 0o755 })
  yield* files.chmod(folder, 0o755)
  const text = serverFile(spec.datastore, spec, settingsBefore(spec.datastore))
  // One that was cut short would go on in the background, and meet the next.
  yield* Effect.uninterruptible(
    promised(() => replaceFile(settingsFile(spec.volume), text, { mode: 0o444, owner: null }))
  )
})

/** The file of the server's settings holds those of the spec. */
export const configure = Effect.fn("Docker.configure")(writeSettings, Effect.mapError(unusable))

/**
 * The folders, the secret, the image's reference and the mark are there after this. Never makes the volume itself: a
 * folder made where the volume is not mounted would take the tenant's data instead of it.
 */
export const prepareVolume = Effect.fn("Docker.prepareVolume")(function* (spec: DatabaseSpec) {
  const files = yield* FileSystem.FileSystem
  const data = dataFolder(spec.volume)
  // Whoever the image runs the server as may write the logs, which is anybody. The engine mounts what lies in here without
  // walking through it, and others of this machine have nothing to do here.
  yield* files.chmod(spec.volume, 0o700)
  const fresh = !(yield* files.exists(data))
  if (fresh) yield* files.writeFileString(initialisingMark(spec.volume), "")
  yield* files.makeDirectory(join(spec.volume, "secret"), { recursive: true, mode: 0o700 })
  yield* replace(imageFile(spec.volume), spec.image)
  yield* replace(secretFile(spec.volume), Redacted.value(spec.adminPassword))
  yield* writeSettings(spec)
  yield* promised(() => prepareLogs(spec, { mode: 0o666, owner: null }))
  if (fresh) yield* files.makeDirectory(data, { mode: 0o700 })
}, Effect.mapError(unusable))

/** The reference of the image that the data was made by. */
export const imageOf = Effect.fnUntraced(function* (volume: string) {
  const files = yield* FileSystem.FileSystem
  return yield* files.readFileString(imageFile(volume))
}, Effect.mapError(unusable))

/** Empties a folder from inside a container of the image: needs no right of ours over the server's files. */
export const emptyByContainer = Effect.fn("Docker.emptyByContainer")(function* (
  docker: Dockerode,
  instanceId: string,
  folder: string,
  image: string
) {
  const name = emptierName(instanceId)
  const run = (container: Dockerode.Container) =>
    Effect.gen(function* () {
      yield* request(() => container.start())
      // Quick ones are gone before they can be waited for; whether the folder is empty is seen by who removes it.
      const end: { readonly StatusCode: number } | null = yield* orAbsent(
        request(() => container.wait({ condition: "removed" }))
      )
      if (end === null || end.StatusCode === 0) return
      return yield* new EngineError({ status: null, detail: `emptying ${folder} ended with ${end.StatusCode}` })
    })
  // Of a process that was killed meanwhile.
  yield* discardContainer(docker, name)
  yield* Effect.acquireUseRelease(
    request(() => docker.createContainer(emptierFor(instanceId, folder, image))),
    run,
    () => Effect.ignore(discardContainer(docker, name))
  )
})

/** The folder is gone after this; a container of the image, which is asked for only then, does what we may not. */
const removeFolder = Effect.fnUntraced(
  function* <R>(docker: Dockerode, instanceId: string, data: string, image: Effect.Effect<string, RuntimeError, R>) {
    const files = yield* FileSystem.FileSystem
    const remove = files.remove(data, { recursive: true, force: true })
    const empty = Effect.flatMap(image, (image) => emptyByContainer(docker, instanceId, data, image))
    yield* Effect.catch(remove, () => Effect.andThen(empty, remove))
  },
  Effect.catchTags({
    PlatformError: (error) => Effect.fail(unusable(error)),
    EngineError: (error) =>
      Effect.fail(
        new RuntimeError({ message: "The data could not be removed.", detail: error.detail, transient: true })
      )
  })
)

/** The server's data is gone after this. */
export const removeData = <R>(
  docker: Dockerode,
  { instanceId, volume }: Pick<DatabaseSpec, "instanceId" | "volume">,
  image: Effect.Effect<string, RuntimeError, R>
) => removeFolder(docker, instanceId, dataFolder(volume), image).pipe(Effect.withSpan("Docker.removeData"))

/** The same with what upgrades have kept, and what they were copying. */
export const removeAllData = Effect.fn("Docker.removeAllData")(function* <R>(
  docker: Dockerode,
  of: Pick<DatabaseSpec, "instanceId" | "volume">,
  image: Effect.Effect<string, RuntimeError, R>
) {
  const files = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(files.readDirectory(of.volume), () => [])
  const data = basename(dataFolder(of.volume))
  for (const name of names)
    if (name === data || name.startsWith(`${data}.`))
      yield* removeFolder(docker, of.instanceId, join(of.volume, name), image)
})
