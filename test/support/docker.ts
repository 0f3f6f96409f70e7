/**
 * A container engine for the tests: the one that answers, else, as root on Debian, one that is installed and
 * started here and ended by `stop`. Everywhere else it says what is lacking.
 */
import { execFile, spawn } from "node:child_process"
import { access, open } from "node:fs/promises"
import { promisify } from "node:util"
import { Effect, Option } from "effect"
import { Engine } from "../../src/layers/runtime/docker/Engine.ts"

const run = promisify(execFile)
const daemonLog = "/tmp/coffer-test-dockerd.log"
/** Measured: it answers after half a second. The rest is for a busy machine. */
const readyWithinMs = 30_000

const find = () => Effect.runPromise(Engine.find).then(Option.getOrNull)

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false
  )

const installed = async () => (await exists("/usr/sbin/dockerd")) && (await exists("/usr/sbin/iptables"))

const install = async () => {
  const environment = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, maxBuffer: 64 << 20 }
  await run("apt-get", ["update", "-q"], environment)
  const packages = ["docker.io", "iptables", "ca-certificates"]
  await run("apt-get", ["install", "-qy", "--no-install-recommends", ...packages], environment)
}

const startDaemon = async () => {
  const log = await open(daemonLog, "w")
  // A group of its own: an interrupt typed at the tests must not end it before the containers are removed.
  const daemon = spawn("dockerd", [], { detached: true, stdio: ["ignore", log.fd, log.fd] })
  await log.close()
  // The tests' end is not held up by it, but for the wait for its own end.
  daemon.unref()
  const ended = new Promise<void>((resolve) => {
    daemon.once("exit", () => resolve())
    daemon.once("error", () => resolve())
  })
  const stop = async () => {
    daemon.ref()
    if (daemon.exitCode === null) daemon.kill("SIGTERM")
    await ended
  }
  return { daemon, stop }
}

export type TestEngine = { readonly socket: string; readonly stop: () => Promise<void> } | { readonly missing: string }

export const ensureDocker = async (): Promise<TestEngine> => {
  const running = await find()
  if (running !== null) return { socket: running.socket, stop: async () => {} }
  if (process.env["DOCKER_HOST"]) return { missing: `no engine answers at DOCKER_HOST=${process.env["DOCKER_HOST"]}` }
  if (process.getuid?.() !== 0) return { missing: "no engine answers, and only root can start one" }
  if (!(await installed())) {
    if (!(await exists("/etc/debian_version"))) return { missing: "dockerd and iptables are not installed" }
    const failure = await install().then(
      () => null,
      (error: unknown) => String(error)
    )
    if (failure !== null) return { missing: `docker.io could not be installed: ${failure.slice(0, 500)}` }
  }
  const { daemon, stop } = await startDaemon()
  for (const deadline = Date.now() + readyWithinMs; Date.now() < deadline && daemon.exitCode === null; ) {
    const engine = await find()
    if (engine !== null) return { socket: engine.socket, stop }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await stop()
  // Ours gave up because another test process started one first.
  const other = await find()
  return other === null
    ? { missing: `dockerd did not come up, see ${daemonLog}` }
    : { socket: other.socket, stop: async () => {} }
}

/** For vitest's `globalSetup`: an engine for all test files, ended after the last of them if it was started here. */
export default async function setup() {
  const engine = await ensureDocker()
  if (!("missing" in engine)) return engine.stop
  const isRootOnDebian = process.getuid?.() === 0 && (await exists("/etc/debian_version"))
  if (process.env["CI"] && isRootOnDebian) throw new Error(`tests in containers must run here: ${engine.missing}`)
  console.warn(`Tests in containers are skipped: ${engine.missing}.`)
  return undefined
}
