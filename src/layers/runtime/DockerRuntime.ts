/**
 * Databases as containers of the public images: the port `DatabaseRuntime` through a Docker engine.
 *
 * The engine is the only memory: an instance's container is found by its name, and what it was made for is told
 * by its labels. Nothing here may be decided from what this process did before.
 */
import { NodeFileSystem } from "@effect/platform-node"
import type Dockerode from "dockerode"
import { Effect, FileSystem, Layer } from "effect"
import {
  DatabaseRuntime,
  type DatabaseSpec,
  otherProgram,
  type Progress,
  RuntimeError,
  type RuntimeStatus
} from "../../guest/DatabaseRuntime.ts"
import { readTail } from "../embedded/OwnedFiles.ts"
import {
  configuredLabel,
  containerFor,
  containerName,
  emptierName,
  instanceLabel,
  isMadeFor,
  limitsOf,
  networkName,
  volumeOfMount
} from "./docker/Container.ts"
import { discardContainer, Engine, type EngineError, orAbsent, orAlready, request } from "./docker/Engine.ts"
import { greets } from "./docker/Greeting.ts"
import { ensureImage } from "./docker/Image.ts"
import { factsOf, hardwareOf } from "./docker/Machine.ts"
import { convert, keptByDocker, textOf } from "./docker/Upgrade.ts"
import {
  configure,
  imageOf,
  isInitialising,
  markInitialised,
  prepareVolume,
  removeAllData,
  removeData
} from "./docker/Volume.ts"
import { logFile, logFiles, loggedAt, ownLog } from "./LogFolder.ts"

/** An initialisation that takes longer has gone wrong; the largest images take about half a minute on a slow disk. */
const initialisedWithin = "10 minutes"
const greetingEvery = "50 millis"
const logLinesInError = 20
/** How much of a server's own log is looked at, in bytes. */
const logWindow = 64 * 1024

const unavailable = (error: EngineError) =>
  new RuntimeError({ message: "The container engine could not do this.", detail: error.detail, transient: true })

const unstartable = (spec: DatabaseSpec) => (error: EngineError) =>
  /already in use|already allocated|cannot assign requested address/.test(error.detail)
    ? new RuntimeError({
        message: `The address ${spec.address}:${spec.port} of the database cannot be taken.`,
        detail: error.detail,
        transient: true
      })
    : new RuntimeError({ message: "The database server could not be started.", detail: error.detail, transient: true })

const linesOf = (text: string) => text.split("\n").filter((line) => line.trim() !== "")

const make = Effect.gen(function* () {
  const { cpus, docker } = yield* Engine
  const files = yield* FileSystem.FileSystem

  const inspect = (instanceId: string) =>
    orAbsent(request(() => docker.getContainer(containerName(instanceId)).inspect())).pipe(
      Effect.filterOrFail(
        (found) => found === null || found.Config.Labels[instanceLabel] === instanceId,
        () =>
          new RuntimeError({
            message: "The container engine could not do this.",
            detail: `a container named ${containerName(instanceId)} exists that is not ours`,
            transient: false
          })
      ),
      Effect.catchTag("EngineError", (error) => Effect.fail(unavailable(error)))
    )

  /** What the engine caught, and after it what the server has written into its own log since it was started. */
  const logsOf = Effect.fnUntraced(function* ({ datastore, instanceId, volume }: DatabaseSpec, lines: number) {
    const container = docker.getContainer(containerName(instanceId))
    const found = yield* orAbsent(request(() => container.inspect()))
    if (found === null) return ""
    const frames = yield* orAbsent(request(() => container.logs({ stdout: true, stderr: true, tail: lines })))
    const log = ownLog(datastore)
    const isOfThisRun = (yield* Effect.promise(() => loggedAt(volume, log))) >= Date.parse(found.State.StartedAt)
    const own = isOfThisRun ? linesOf(readTail(logFile(volume, log), logWindow)) : []
    const caught = frames === null ? [] : linesOf(textOf(frames))
    return [...caught, ...own].slice(-lines).join("\n")
  })

  /** One bridge on which tenants' containers cannot reach each other; clients come through published ports. */
  const ensureNetwork = Effect.gen(function* () {
    if ((yield* orAbsent(request(() => docker.getNetwork(networkName).inspect()))) !== null) return
    const options = { "com.docker.network.bridge.enable_icc": "false" }
    yield* request(() =>
      docker.createNetwork({ Name: networkName, Driver: "bridge", CheckDuplicate: true, Options: options })
    ).pipe(
      // Another agent of this machine was faster.
      Effect.catchIf(
        (error) => error.status === 409,
        () => Effect.void
      )
    )
  }).pipe(Effect.mapError(unavailable))

  const halt = (instanceId: string) =>
    orAlready(orAbsent(request(() => docker.getContainer(containerName(instanceId)).stop()))).pipe(
      Effect.mapError(unavailable)
    )

  const discard = (name: string) => Effect.mapError(discardContainer(docker, name), unavailable)

  /** Done when the server has served for the first time, and from then on its files are trusted. */
  const awaitInitialised = Effect.fn("DockerRuntime.awaitInitialised")(
    function* (spec: DatabaseSpec, progress: Progress) {
      if (!(yield* isInitialising(spec.volume))) return
      yield* progress("initialising the database")
      const speaksFirst = spec.datastore !== "postgresql"
      while (!(yield* greets({ address: spec.address, port: spec.port, speaksFirst }))) {
        if ((yield* status(spec)) !== "running") {
          const detail = yield* logsOf(spec, logLinesInError).pipe(Effect.mapError(unavailable))
          return yield* new RuntimeError({ message: "The database could not be initialised.", detail, transient: true })
        }
        yield* Effect.sleep(greetingEvery)
      }
      yield* markInitialised(spec)
    },
    Effect.timeoutOrElse({
      duration: initialisedWithin,
      orElse: () =>
        Effect.fail(
          new RuntimeError({
            message: "The database could not be initialised.",
            detail: `it did not serve within ${initialisedWithin}`,
            transient: true
          })
        )
    })
  )

  const setLimits = Effect.fnUntraced(function* (
    spec: DatabaseSpec,
    { HostConfig: now }: Dockerode.ContainerInspectInfo,
    how: "atLeast" | "exactly"
  ) {
    const wanted = limitsOf(spec, cpus)
    const memory = now.Memory ?? 0
    const isLess = (now.NanoCpus ?? 0) < wanted.NanoCpus || memory < wanted.Memory
    const isOther = now.NanoCpus !== wanted.NanoCpus || memory !== wanted.Memory
    if (!(how === "atLeast" ? isLess : isOther)) return
    const limits =
      how === "exactly"
        ? wanted
        : {
            NanoCpus: Math.max(now.NanoCpus ?? 0, wanted.NanoCpus),
            Memory: Math.max(memory, wanted.Memory),
            MemorySwap: Math.max(memory, wanted.MemorySwap),
            PidsLimit: Math.max(now.PidsLimit ?? 0, wanted.PidsLimit)
          }
    yield* Effect.mapError(
      request(() => docker.getContainer(containerName(spec.instanceId)).update(limits)),
      unavailable
    )
  })

  const limit = Effect.fn("DockerRuntime.limit")(function* (spec: DatabaseSpec, how: "atLeast" | "exactly") {
    const found = yield* inspect(spec.instanceId)
    if (found?.State.Running) yield* setLimits(spec, found, how)
  })

  /** A container for this spec, not running: the one that is there if it was made for it, else a new one. */
  const ensureContainer = Effect.fn("DockerRuntime.ensureContainer")(function* (
    spec: DatabaseSpec,
    found: Dockerode.ContainerInspectInfo | null,
    progress: Progress
  ) {
    const image = yield* ensureImage(docker, spec.image, progress)
    yield* ensureNetwork
    if (found?.State.Running) yield* halt(spec.instanceId)
    if (yield* isInitialising(spec.volume)) {
      // Cut short before anybody could log in: what is there may look whole, and is not.
      yield* removeData(docker, spec, Effect.succeed(image.Id))
    }
    yield* prepareVolume(spec)
    if (found !== null && isMadeFor(found.Config.Labels, spec) && found.Config.Labels[configuredLabel] !== undefined)
      return yield* setLimits(spec, found, "exactly")
    if (found !== null) yield* discard(containerName(spec.instanceId))
    // Not left in flight by an interruption: it would come into being after a removal that saw nothing.
    yield* Effect.uninterruptible(request(() => docker.createContainer(containerFor(spec, image, cpus)))).pipe(
      Effect.mapError(unstartable(spec))
    )
  })

  const start = Effect.fn("DockerRuntime.start")(
    function* (spec: DatabaseSpec, progress: Progress) {
      const found = yield* inspect(spec.instanceId)
      if (!found?.State.Running || !isMadeFor(found.Config.Labels, spec)) {
        yield* ensureContainer(spec, found, progress)
        yield* progress("starting the database server")
        yield* orAlready(request(() => docker.getContainer(containerName(spec.instanceId)).start())).pipe(
          Effect.mapError(unstartable(spec))
        )
      }
      yield* awaitInitialised(spec, progress)
    },
    Effect.provideService(FileSystem.FileSystem, files)
  )

  /** The image is there first: what was made by a container that is gone can be made again. */
  const takeApart = Effect.fn("DockerRuntime.takeApart")(function* (spec: DatabaseSpec, progress: Progress) {
    const image = yield* ensureImage(docker, spec.image, progress)
    const found = yield* inspect(spec.instanceId)
    // A tag that was fetched anew since is another program over the same data.
    if (found !== null && found.Image !== image.Id)
      return yield* new RuntimeError({
        message: otherProgram,
        detail: `${spec.image} is ${image.Id}; the container was made of ${found.Image}`,
        transient: false
      })
    yield* halt(spec.instanceId)
    yield* discard(emptierName(spec.instanceId))
    if (found !== null) yield* discard(containerName(spec.instanceId))
  })

  const hardware = (spec: DatabaseSpec) =>
    Effect.map(inspect(spec.instanceId), (found) => (found?.State.Running ? hardwareOf(found, cpus) : null))

  const processOf = Effect.fnUntraced(function* (spec: DatabaseSpec) {
    const found = yield* inspect(spec.instanceId)
    return found?.State.Running ? yield* factsOf(docker, containerName(spec.instanceId)) : null
  })

  const status = (spec: DatabaseSpec): Effect.Effect<RuntimeStatus, RuntimeError> =>
    Effect.map(inspect(spec.instanceId), (found) =>
      found === null ? "absent" : found.State.Running ? "running" : "stopped"
    )

  /** By what a container mounts: another service of this machine may label its own in the same way. */
  const list = Effect.fn("DockerRuntime.list")(function* (folder: string) {
    const filters = { label: [instanceLabel] }
    const found = yield* Effect.mapError(
      request(() => docker.listContainers({ all: true, filters })),
      unavailable
    )
    const mounted = found.flatMap(({ Mounts }) => Mounts.map(({ Source }) => Source))
    return [...new Set(mounted.flatMap((source) => volumeOfMount(source) ?? []))].filter((volume) =>
      volume.startsWith(`${folder}/`)
    )
  })

  const remove = Effect.fn("DockerRuntime.remove")(
    function* (instanceId: string, volume: string) {
      const found = yield* inspect(instanceId)
      // The data belongs to a user of the image's. Root can remove it with the volume; others need the image to do it.
      if (process.getuid?.() !== 0) {
        if (found !== null) yield* halt(instanceId)
        const noted = Effect.flatMap(imageOf(volume), (image) => ensureImage(docker, image, () => Effect.void))
        const image = found === null ? Effect.map(noted, ({ Id }) => Id) : Effect.succeed(found.Image)
        yield* removeAllData(docker, { instanceId, volume }, image)
      }
      yield* discard(emptierName(instanceId))
      yield* discard(containerName(instanceId))
    },
    Effect.provideService(FileSystem.FileSystem, files)
  )

  return DatabaseRuntime.of({
    kind: "docker",
    start,
    configure: (spec) => Effect.provideService(configure(spec), FileSystem.FileSystem, files),
    limit,
    stop: (spec) => halt(spec.instanceId),
    takeApart,
    hardware,
    process: processOf,
    status,
    provide: (spec, progress) => Effect.asVoid(ensureImage(docker, spec.image, progress)),
    convert: (spec) => convert(docker, spec),
    kept: keptByDocker(docker),
    logFiles,
    logs: (spec, lines) => logsOf(spec, lines).pipe(Effect.mapError(unavailable)),
    list,
    remove
  })
})

export const layer: Layer.Layer<DatabaseRuntime, never, Engine> = Layer.effect(DatabaseRuntime, make).pipe(
  Layer.provide(NodeFileSystem.layer)
)
