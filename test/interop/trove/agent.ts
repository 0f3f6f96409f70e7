/**
 * Trove's own guest agent, each in a server of its own (compute.sh): the servers that a test may have and that go with
 * its scope, the image that they run, and the settings that an agent needs at the least.
 */
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Effect, Schema } from "effect"
import { buildImages } from "../../images/build.ts"
import { ensureDocker } from "../../support/docker.ts"
import { ensureTrove, troveGuestAgent } from "./requirements.ts"
import { settings } from "./settings.ts"

const run = promisify(execFile)

/** The program that makes servers and removes them, as an operator's `compute_command`; it needs TROVE_STATE. */
export const computeCommand = join(import.meta.dirname, "compute.sh")

/** What its agents find as the image of a datastore version named `10.11`. */
export const agentImage = "coffer-test/trove-mariadb:10.11"

/** Why there can be no agents here, null if there can. The image is built by the first who asks. */
export const missingAgent = await ensureDocker().then(async (engine) => {
  if ("missing" in engine) return engine.missing
  if (process.getuid?.() !== 0) return "only root can give an agent a server of its own"
  const missing = await ensureTrove(troveGuestAgent)
  if (missing === null) await buildAgentImage()
  return missing
})

async function buildAgentImage() {
  const { mariadb } = await buildImages()
  const arguments_ = ["--label", "coffer.test=true", "--build-arg", `BASE=${mariadb}`]
  await run("docker", ["build", "--quiet", "--tag", agentImage, ...arguments_, join(import.meta.dirname, "image")])
}

export interface AgentOptions {
  readonly instanceId: string
  /** `rabbit://user:password@host:port/`. */
  readonly transportUrl: string
  /** The control exchange; `trove` unless said otherwise. */
  readonly exchange?: string
  /** Of the section `oslo_messaging_rabbit`, such as `{ amqp_durable_queues: "true" }`. */
  readonly options?: Readonly<Record<string, string>>
  /** 32 letters and digits; without it the agent speaks in the clear. */
  readonly key?: string
}

/** The texts of `guest_info.conf` and `trove-guestagent.conf`. What only its server knows (volume, user), that adds. */
export const agentConfig = ({ instanceId, transportUrl, exchange = "trove", options = {}, key }: AgentOptions) => ({
  guestInfo: settings({
    DEFAULT: {
      guest_id: instanceId,
      datastore_manager: "mariadb",
      datastore_version: "10.11",
      tenant_id: "project-1",
      // Trove 18 does not know it, and takes the network as it finds it; later releases isolate it unless told.
      network_isolation: "False",
      ...(key === undefined ? {} : { instance_rpc_encr_key: key })
    }
  }),
  agentConf: settings({
    DEFAULT: { transport_url: transportUrl, control_exchange: exchange },
    oslo_messaging_rabbit: options,
    mariadb: { docker_image: "mariadb" }
  })
})

/** What a server is made of, as compute.sh is told it. */
export interface ServerOrder {
  readonly instance_id: string
  readonly manager: "mariadb"
  readonly version: string
  readonly image: string
  /** GB */
  readonly volume_size: number
  /** Where its database is to be reached, on port 3306: any free address of this machine, such as one of 127.0.0.0/8. */
  readonly address: string
  readonly guest_info: string
  readonly agent_conf: string
}

export const serverOrder = (address: string, agent: AgentOptions): ServerOrder => {
  const { agentConf, guestInfo } = agentConfig(agent)
  return {
    instance_id: agent.instanceId,
    manager: "mariadb",
    version: "10.11",
    image: agentImage,
    volume_size: 1,
    address,
    guest_info: guestInfo,
    agent_conf: agentConf
  }
}

/** `code` is what the program ended with: 75 for "tell me again". */
export class ServerFailed extends Schema.TaggedError<ServerFailed>()("ServerFailed", {
  code: Schema.NullOr(Schema.Number),
  message: Schema.String
}) {}

export interface Servers {
  /** The folder that is TROVE_STATE to whoever else makes servers: those go with the scope as well. */
  readonly state: string
  /** Its agent has been started when this succeeds, and listens a second or two later. */
  readonly ensure: (order: ServerOrder) => Effect.Effect<void, ServerFailed>
  /** Nothing is left of it when this succeeds. */
  readonly destroy: (id: string) => Effect.Effect<void, ServerFailed>
  /** What the agent logged, in full; empty before it has said anything. */
  readonly log: (id: string) => Effect.Effect<string>
}

/** Servers, none at first, which end with the scope. */
export const servers = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      await removeAbandoned()
      const state = mkdtempSync(join(tmpdir(), prefix))
      writeFileSync(join(state, "owner"), String(process.pid))
      return state
    }),
    (state) => Effect.promise(() => removeAll(state))
  ),
  (state): Servers => ({
    state,
    ensure: (order) => tell(state, "ensure", order),
    destroy: (id) => tell(state, "destroy", { instance_id: id }),
    log: (id) =>
      Effect.sync(() => {
        const file = join(state, id, "disk/var/log/trove/trove-guestagent.log")
        return existsSync(file) ? readFileSync(file, "utf8") : ""
      })
  })
)

const prefix = "coffer-trove-servers-"

const program = async (state: string, verb: "ensure" | "destroy", order: object) => {
  const running = run(computeCommand, [verb], { env: { ...process.env, TROVE_STATE: state } })
  // A program that ends before it has read all says why by its code.
  running.child.stdin?.on("error", () => {}).end(JSON.stringify(order))
  await running
}

const tell = (state: string, verb: "ensure" | "destroy", order: object) =>
  Effect.tryPromise({
    try: () => program(state, verb, order),
    catch: (error) => {
      const { code, stderr } = decodeEnd(error)
      return new ServerFailed({ code: typeof code === "number" ? code : null, message: stderr ?? String(error) })
    }
  })

const decodeEnd = Schema.decodeUnknownSync(
  Schema.Struct({
    code: Schema.optionalKey(Schema.Unknown),
    stderr: Schema.optionalKey(Schema.String)
  })
)

const removeAll = async (state: string) => {
  const left = readdirSync(state, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  // One of them keeps the images, and may go as well.
  for (const { name } of left) await program(state, "destroy", { instance_id: name })
  rmSync(state, { recursive: true, force: true })
}

/** What test runs left that were killed: their servers would run for ever. */
const removeAbandoned = async () => {
  for (const name of readdirSync(tmpdir()).filter((name) => name.startsWith(prefix))) {
    const state = join(tmpdir(), name)
    const owner = join(state, "owner")
    if (!existsSync(owner) || existsSync(`/proc/${readFileSync(owner, "utf8")}`)) continue
    // Another test file may be at the same.
    await removeAll(state).catch((error: unknown) => console.warn(`${state} is left: ${String(error)}`))
  }
}
