/**
 * From a database spec to the container that runs it, by the public images' conventions. Pure: the whole
 * of what a tenant's container may and may not do can be read here.
 */
import { createHash } from "node:crypto"
import { basename, dirname, join } from "node:path"
import type Dockerode from "dockerode"
import type { DatabaseSpec } from "../../../guest/DatabaseRuntime.ts"
import { logFolder, logLines } from "../LogFolder.ts"

export const networkName = "coffer"
export const instanceLabel = "coffer.instance"
export const specLabel = "coffer.spec"
export const containerName = (instanceId: string) => `coffer-${instanceId}`
export const emptierName = (instanceId: string) => `${containerName(instanceId)}-emptier`

/** A server that has not flushed within this is killed, and recovers from its log at the next start. */
const stopSeconds = 120

export const passwordInside = "/run/secrets/coffer/admin-password"
export const dataFolder = (volume: string) => join(volume, "data")
export const secretFile = (volume: string) => join(volume, "secret", "admin-password")
/** The volume whose data folder a container mounts; null where it is something else. */
export const volumeOfMount = (source: string) => (basename(source) === "data" ? dirname(source) : null)
/** The image's reference, for when there is no container to tell whose users own the data. */
export const imageFile = (volume: string) => join(volume, "secret", "image")

interface Convention {
  readonly port: number
  readonly data: string
  readonly environment: ReadonlyArray<string>
  readonly command: ReadonlyArray<string>
  readonly stopSignal: string
}

/** A folder and not a file: a file that is replaced would stay the old one inside. */
const settingsInside = "/etc/coffer"
export const settingsFolder = (volume: string) => join(volume, "settings")
export const settingsFile = (volume: string) => join(settingsFolder(volume), "server.conf")
const settingsFileInside = `${settingsInside}/server.conf`
/** A folder that the server may only walk through, to the files that are there for it. */
const logsInside = "/var/log/coffer"
/** What a container of an earlier release lacks, which does not see those folders. */
export const configuredLabel = "coffer.logged"

/** Lines that a server in a container needs in place of the file that its image would bring. */
export const settingsBefore = (datastore: DatabaseSpec["datastore"]): ReadonlyArray<string> => [
  ...(datastore === "postgresql" ? ["listen_addresses = '*'"] : []),
  ...logLines(datastore, logsInside, true)
]

const conventions: Record<DatabaseSpec["datastore"], Convention> = {
  postgresql: {
    port: 5432,
    data: "/var/lib/postgresql/data",
    environment: [
      `POSTGRES_PASSWORD_FILE=${passwordInside}`,
      // The image's default trusts everybody inside the container, and with that whoever gets the server to
      // connect to itself (dblink).
      "POSTGRES_INITDB_ARGS=--data-checksums --auth-local=scram-sha-256 --auth-host=scram-sha-256"
    ],
    command: ["postgres", "-c", `config_file=${settingsFileInside}`],
    stopSignal: "SIGINT"
  },
  mariadb: {
    port: 3306,
    data: "/var/lib/mysql",
    environment: [`MARIADB_ROOT_PASSWORD_FILE=${passwordInside}`, "MARIADB_INITDB_SKIP_TZINFO=1"],
    command: ["mariadbd", `--defaults-extra-file=${settingsFileInside}`],
    stopSignal: "SIGTERM"
  },
  mysql: {
    port: 3306,
    data: "/var/lib/mysql",
    environment: [`MYSQL_ROOT_PASSWORD_FILE=${passwordInside}`, "MYSQL_INITDB_SKIP_TZINFO=1"],
    command: ["mysqld", `--defaults-extra-file=${settingsFileInside}`],
    stopSignal: "SIGTERM"
  }
}

/** Where the image keeps its data: the volume that it declares (PostgreSQL 18 moved it), else the usual place. */
const dataInside = (image: Dockerode.ImageInspectInfo, convention: Convention) => {
  const declared = Object.keys(image.Config.Volumes ?? {})
  return declared.length === 1 && declared[0] !== undefined ? declared[0] : convention.data
}

/** What the entrypoints need: they start as root, hand the data folder to the server's user, and become that user. */
const capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]

const megabytes = (count: number) => count * 1024 * 1024

const bind = (source: string, target: string, readOnly: boolean): Dockerode.MountSettings => ({
  Type: "bind",
  Source: source,
  Target: target,
  ReadOnly: readOnly
})

const hashOf = (what: object) =>
  createHash("sha256")
    .update(JSON.stringify(Object.entries(what).sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest("hex")

/** What a container is made for. Its limits are no part of that: they change under a server that runs, and labels cannot. */
export const specHash = (spec: DatabaseSpec) => {
  const { adminPassword: _, memoryMb: __, settings: ___, vcpus: ____, ...lasting } = spec
  return hashOf(lasting)
}

/** Earlier releases hashed the limits as well. */
const hashWithLimits = (spec: DatabaseSpec) => {
  const { adminPassword: _, settings: __, ...visible } = spec
  return hashOf(visible)
}

/** A container of which this is not true was made for another spec, and gives way to a new one. */
export const isMadeFor = (labels: Readonly<Record<string, string>>, spec: DatabaseSpec) =>
  [specHash(spec), hashWithLimits(spec)].includes(labels[specLabel] ?? "")

/** What a container may have of its host; the engine changes it under a server that runs. */
export const limitsOf = (spec: Pick<DatabaseSpec, "memoryMb" | "vcpus">, cpus: number) => ({
  NanoCpus: Math.min(spec.vcpus, cpus) * 1e9,
  // The engine takes no memory above the swap of before: they go together.
  Memory: megabytes(spec.memoryMb),
  MemorySwap: megabytes(spec.memoryMb),
  // PostgreSQL has a process for each client, MariaDB a thread.
  PidsLimit: Math.max(256, spec.memoryMb)
})

/** No Ulimits, OomScoreAdj or Privileged: where this runs the engine itself may lack the right to give them. */
export const containerFor = (
  spec: DatabaseSpec,
  image: Dockerode.ImageInspectInfo,
  cpus: number
): Dockerode.ContainerCreateOptions => {
  const convention = conventions[spec.datastore]
  return {
    name: containerName(spec.instanceId),
    Image: image.Id,
    Cmd: [...convention.command],
    Env: [...convention.environment],
    Labels: {
      [instanceLabel]: spec.instanceId,
      [specLabel]: specHash(spec),
      [configuredLabel]: "1",
      "coffer.datastore": spec.datastore,
      "coffer.image": spec.image
    },
    ExposedPorts: { [`${convention.port}/tcp`]: {} },
    StopSignal: convention.stopSignal,
    StopTimeout: stopSeconds,
    HostConfig: {
      NetworkMode: networkName,
      PortBindings: { [`${convention.port}/tcp`]: [{ HostIp: spec.address, HostPort: String(spec.port) }] },
      Mounts: [
        bind(dataFolder(spec.volume), dataInside(image, convention), false),
        bind(secretFile(spec.volume), passwordInside, true),
        bind(settingsFolder(spec.volume), settingsInside, true),
        bind(logFolder(spec.volume), logsInside, false)
      ],
      // The guest supervises, and backs off between restarts. The container outlives the guest's process as it is.
      RestartPolicy: { Name: "no" },
      CapDrop: ["ALL"],
      CapAdd: capabilities,
      SecurityOpt: ["no-new-privileges"],
      ...limitsOf(spec, cpus),
      // PostgreSQL's parallel queries share memory here.
      ShmSize: Math.max(megabytes(64), megabytes(spec.memoryMb) / 4),
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } }
    }
  }
}

/** A container of the same image that runs `script` over the volume, which is `/volume`, and may read and own all in it. */
export const workerFor = (
  instanceId: string,
  volume: string,
  image: string,
  script: string
): Dockerode.ContainerCreateOptions => ({
  name: emptierName(instanceId),
  Image: image,
  Labels: { [instanceLabel]: instanceId },
  User: "0",
  Entrypoint: ["sh", "-c", script],
  Cmd: [],
  HostConfig: {
    NetworkMode: "none",
    Mounts: [bind(volume, "/volume", false)],
    CapDrop: ["ALL"],
    CapAdd: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
    SecurityOpt: ["no-new-privileges"]
  }
})

/**
 * A container of the same image that empties a folder whose files belong to users that only the image knows, and opens
 * it for whoever owns the folder above, who could not even look into it to remove it.
 */
export const emptierFor = (instanceId: string, folder: string, image: string): Dockerode.ContainerCreateOptions => ({
  name: emptierName(instanceId),
  Image: image,
  Labels: { [instanceLabel]: instanceId },
  User: "0",
  Entrypoint: ["sh", "-c", "find /emptied -mindepth 1 -delete && chmod 0777 /emptied"],
  Cmd: [],
  HostConfig: {
    AutoRemove: true,
    NetworkMode: "none",
    Mounts: [bind(folder, "/emptied", false)],
    CapDrop: ["ALL"],
    CapAdd: ["DAC_OVERRIDE", "FOWNER"],
    SecurityOpt: ["no-new-privileges"]
  }
})
