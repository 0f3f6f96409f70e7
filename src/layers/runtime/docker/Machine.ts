/** What a container has of its host, and how the process is that it was made for. */
import { totalmem } from "node:os"
import type Dockerode from "dockerode"
import { Effect } from "effect"
import { RuntimeError } from "../../../guest/DatabaseRuntime.ts"
import { factsIn } from "../ProcessStatus.ts"
import { EngineError, request } from "./Engine.ts"
import { textOf } from "./Upgrade.ts"

export const hardwareOf = ({ HostConfig }: Dockerode.ContainerInspectInfo, cpus: number) => {
  const memory = HostConfig.Memory ?? 0
  const nano = HostConfig.NanoCpus ?? 0
  return {
    mem_total: Math.floor((memory > 0 ? memory : totalmem()) / 1024),
    num_cpus: nano > 0 ? Math.ceil(nano / 1e9) : cpus
  }
}

/** How much of the answer is read, in characters: its tenant may have a say in what the container holds. */
const maxStatus = 10_000

/** By a command inside: who runs the engine may have another view of the host's processes than we have. */
export const factsOf = Effect.fn("Docker.factsOf")(
  function* (docker: Dockerode, container: string) {
    const exec = yield* request(() =>
      docker.getContainer(container).exec({ Cmd: ["cat", "/proc/1/status"], AttachStdout: true, AttachStderr: true })
    )
    const stream = yield* request(() => exec.start({}))
    const printed = yield* request(async () => {
      const chunks: Array<Buffer> = []
      let length = 0
      for await (const chunk of stream) {
        const bytes = Buffer.from(chunk)
        length += bytes.length
        if (length > maxStatus) break
        chunks.push(bytes)
      }
      return textOf(Buffer.concat(chunks))
    })
    const facts = factsIn(printed)
    return (
      facts ?? (yield* new EngineError({ status: null, detail: `the process is not told: ${printed.slice(0, 500)}` }))
    )
  },
  Effect.mapError(
    ({ detail }) =>
      new RuntimeError({ message: "The process of the database could not be looked at.", detail, transient: true })
  )
)
