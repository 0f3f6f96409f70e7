/**
 * What an upgrade asks of the Docker engine: a copy of the data beside it, and the program by which a server's makers take
 * over the data of an earlier version. As root, the agent handles the files itself; else a container of the image does.
 */
import { basename } from "node:path"
import type Dockerode from "dockerode"
import { Effect } from "effect"
import { type DatabaseSpec, RuntimeError } from "../../../guest/DatabaseRuntime.ts"
import type { KeptData } from "../../../guest/KeptData.ts"
import { administrator } from "../../../guest/MariadbNames.ts"
import { HostProcessError, isRoot } from "../../embedded/HostProcess.ts"
import { removeTree } from "../../embedded/OwnedFiles.ts"
import { copyTree, keptFolders, lookAtTree, lookScript, quoted, sightIn } from "../KeptFolders.ts"
import { containerName, emptierName, passwordInside, workerFor } from "./Container.ts"
import { discardContainer, EngineError, request } from "./Engine.ts"
import { ensureImage } from "./Image.ts"

const failed = (error: HostProcessError | EngineError | RuntimeError) =>
  error._tag === "RuntimeError"
    ? error
    : new RuntimeError({
        message: "The data of the instance could not be copied, or put back.",
        detail: [error._tag === "HostProcessError" ? error.message : "", error.detail].join("\n").trim(),
        transient: true
      })

/** The text in the engine's log frames. */
export const textOf = (frames: Buffer) => {
  let text = ""
  for (let at = 0; at + 8 <= frames.length; ) {
    const length = frames.readUInt32BE(at + 4)
    text += frames.toString("utf8", at + 8, at + 8 + length)
    at += 8 + length
  }
  return text
}

/** Runs a script over the volume in a container of the image that the data is of; what it printed. */
const work = Effect.fn("Docker.work")(function* (docker: Dockerode, spec: DatabaseSpec, script: string) {
  const name = emptierName(spec.instanceId)
  const image = yield* ensureImage(docker, spec.image, () => Effect.void)
  yield* discardContainer(docker, name)
  return yield* Effect.acquireUseRelease(
    request(() => docker.createContainer(workerFor(spec.instanceId, spec.volume, image.Id, script))),
    (container) =>
      Effect.gen(function* () {
        yield* request(() => container.start())
        const end: { readonly StatusCode: number } = yield* request(() => container.wait())
        const printed = textOf(yield* request(() => container.logs({ stdout: true, stderr: true, tail: 50 })))
        if (end.StatusCode === 0) return printed
        return yield* new EngineError({ status: null, detail: `${script} ended with ${end.StatusCode}: ${printed}` })
      }),
    () => Effect.ignore(discardContainer(docker, name))
  )
}, Effect.mapError(failed))

const inside = (folder: string) => `/volume/${basename(folder)}`

/** By a container: the files belong to a user that only the image knows. */
const byContainer = (docker: Dockerode) => ({
  look: (data: string, spec: DatabaseSpec) => Effect.flatMap(work(docker, spec, lookScript(inside(data))), sightIn),
  copy: (from: string, to: string, spec: DatabaseSpec) =>
    Effect.asVoid(work(docker, spec, `cp -a ${quoted(inside(from))} ${quoted(inside(to))} && sync`)),
  remove: (folder: string, spec: DatabaseSpec) => Effect.asVoid(work(docker, spec, `rm -rf ${quoted(inside(folder))}`))
})

const byOurselves = { look: lookAtTree, copy: copyTree, remove: (folder: string) => removeTree(folder) }

export const keptByDocker = (docker: Dockerode): KeptData =>
  keptFolders({
    ...(isRoot ? byOurselves : byContainer(docker)),
    // Whatever of a worker goes on still is ended with it.
    before: ({ instanceId }) =>
      Effect.mapError(
        discardContainer(docker, emptierName(instanceId)),
        ({ detail }) => new HostProcessError({ message: "a worker cannot be ended", detail })
      ),
    failed
  })

/** The password is read from the file that only this container has. */
const mariadbUpgrade = [
  "sh",
  "-c",
  `MYSQL_PWD="$(cat ${passwordInside})" exec mariadb-upgrade --host=127.0.0.1 --user=${administrator}`
]

/** MySQL and PostgreSQL do by themselves what there is to do. */
export const convert = Effect.fn("Docker.convert")(
  function* (docker: Dockerode, spec: DatabaseSpec) {
    if (spec.datastore !== "mariadb") return
    const container = docker.getContainer(containerName(spec.instanceId))
    const exec = yield* request(() =>
      container.exec({ Cmd: mariadbUpgrade, AttachStdout: true, AttachStderr: true, User: "0" })
    )
    const stream = yield* request(() => exec.start({}))
    const printed = yield* request(async () => {
      const chunks: Array<Buffer> = []
      for await (const chunk of stream) chunks.push(Buffer.from(chunk))
      return textOf(Buffer.concat(chunks))
    })
    const { ExitCode } = yield* request(() => exec.inspect())
    if (ExitCode === 0) return
    return yield* new EngineError({
      status: null,
      detail: `mariadb-upgrade ended with ${ExitCode}: ${printed.slice(-2000)}`
    })
  },
  Effect.mapError(({ detail }) => {
    const message = "The data could not be taken over by the new version."
    return new RuntimeError({ message, detail, transient: false })
  })
)
