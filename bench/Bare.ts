/**
 * Databases made by hand: what our runtimes do for flavor 1, with the same programs, options and users, and nothing
 * of ours in between. Each is there when a client has logged in, and gone with the scope.
 */
import { chownSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { giveTree } from "../src/layers/embedded/OwnedFiles.ts"
import type { PostgresBinaries } from "../src/layers/embedded/PostgresBinaries.ts"
import { serverIdentity } from "../src/layers/embedded/ServerIdentity.ts"
import { login, plainEnvironment, running, toEnd, until } from "./Programs.ts"

const password = "bench-password"
const port = 5432

/** As ProcessRuntime: `initdb` as a user without rights, the server as one of its own. */
export const processServer = Effect.fnUntraced(function* (
  { initdb, owner, postgres }: PostgresBinaries["Service"],
  folder: string,
  address: string
) {
  const data = join(folder, "data")
  const passwordFile = join(folder, "password")
  mkdirSync(data, { recursive: true, mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o644 })
  if (owner !== null) chownSync(data, owner.uid, owner.gid)
  const initialisation = [
    ...["-D", data, "--username=postgres", `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "--encoding=UTF8"],
    ...["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
  ]
  const unprivileged = owner === null ? {} : { uid: owner.uid, gid: owner.gid }
  yield* toEnd(initdb, initialisation, { ...unprivileged, env: plainEnvironment })
  writeFileSync(join(data, "pg_hba.conf"), "host all all 0.0.0.0/0 scram-sha-256\n", { mode: 0o600 })
  const identity = owner === null ? {} : serverIdentity(address)
  if (owner !== null) giveTree(data, serverIdentity(address))
  const settings = {
    max_connections: 100,
    shared_buffers: "128MB",
    effective_cache_size: "256MB",
    maintenance_work_mem: "32MB",
    work_mem: "4MB",
    listen_addresses: address,
    port,
    unix_socket_directories: ""
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  yield* running(postgres, ["-D", data, ...flags], { ...identity, env: plainEnvironment, signal: "SIGINT" })
  yield* until("the bare server", login({ host: address, port, password }))
})

export const image = "coffer-test/postgres:15"

/** As DockerRuntime. */
export const container = Effect.fnUntraced(function* (folder: string, address: string, name: string) {
  const data = join(folder, "data")
  mkdirSync(data, { recursive: true })
  const capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"].flatMap((cap) => ["--cap-add", cap])
  const run = [
    ...["run", "-d", "--name", name, "-p", `${address}:${port}:5432`, "-v", `${data}:/var/lib/postgresql/data`],
    ...["--cap-drop", "ALL", ...capabilities, "--security-opt", "no-new-privileges", "--cpus", "1"],
    ...["--memory", "512m", "--memory-swap", "512m", "--pids-limit", "512", "--shm-size", "128m"],
    ...["-e", `POSTGRES_PASSWORD=${password}`],
    ...["-e", "POSTGRES_INITDB_ARGS=--data-checksums --auth-local=scram-sha-256 --auth-host=scram-sha-256"],
    ...[image, "postgres", "-c", "shared_buffers=128MB"]
  ]
  yield* Effect.acquireRelease(toEnd("docker", run), () => toEnd("docker", ["rm", "-f", "-v", name]))
  yield* until("the bare container", login({ host: address, port, password }))
})
