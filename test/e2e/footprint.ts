/**
 * What exists on this machine because of a service, as anybody sees it from outside: processes, listening
 * addresses, containers. Looks at the host only, never at the service.
 */
import { execFile, execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { promisify } from "node:util"

const run = promisify(execFile)

const readText = (path: string) => {
  try {
    return fs.readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

export const linkOf = (path: string) => {
  try {
    return fs.readlinkSync(path)
  } catch {
    return ""
  }
}

export const names = (folder: string) => {
  try {
    return fs.readdirSync(folder)
  } catch {
    return []
  }
}

export const isBelow = (folder: string, path: string) => path === folder || path.startsWith(`${folder}/`)

export interface Found {
  readonly pid: number
  readonly args: ReadonlyArray<string>
}

/** Processes whose command line or working folder lies in `folder`; the dead whom nobody has buried do not count. */
export const processesIn = (folder: string): ReadonlyArray<Found> =>
  names("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return []
    const args = readText(`/proc/${name}/cmdline`).split("\0").slice(0, -1)
    const works = isBelow(folder, linkOf(`/proc/${name}/cwd`))
    const isNamed = args.some((arg) => isBelow(folder, arg) || isBelow(folder, arg.slice(arg.indexOf("=") + 1)))
    return works || isNamed ? [{ pid: Number(name), args }] : []
  })

const parentOf = (pid: number) => Number(/^PPid:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1])

/** A helper process that was forked this moment still bears its server's command line. */
export const isFork = ({ args, pid }: Found) => readText(`/proc/${parentOf(pid)}/cmdline`) === `${args.join("\0")}\0`

/** Connections of guests to their databases are made anew with each process of ours. */
export const servesClient = ({ args }: Found) => /^postgres: .*\(\d+\)/.test(args[0] ?? "")

/** Kills them, and gives how many there were. */
export const killAllIn = (folder: string) => {
  const found = processesIn(folder)
  for (const { pid } of found) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // it ended by itself
    }
  }
  return found.length
}

/** `127.<block>.y.z:port` of every listening socket there. */
export const listenersIn = (block: number) =>
  readText("/proc/net/tcp")
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/)
      const [address = "", port = ""] = local.split(":")
      const bytes = Buffer.from(address, "hex").reverse()
      if (state !== "0A" || bytes[0] !== 127 || bytes[1] !== block) return []
      return [`${bytes.join(".")}:${Number.parseInt(port, 16)}`]
    })
    .sort()

/** Containers that use a folder of ours; others may use the engine as well. */
export const containersOn = async (folder: string) => {
  const format = '{{.Names}} {{.State}} {{.Label "coffer.instance"}} {{.Mounts}}'
  const { stdout } = await run("docker", ["ps", "--all", "--no-trunc", "--format", format])
  // The engine names mounts in no order of its own.
  const ordered = (line: string) =>
    line
      .split(" ")
      .map((part) => part.split(",").sort().join(","))
      .join(" ")
  return stdout
    .split("\n")
    .filter((line) => line.includes(`${folder}/`))
    .map(ordered)
}

/** Removes the containers of these instances, whatever state they are in. */
export const removeContainersOf = (instances: ReadonlyArray<string>) => {
  for (const id of instances) {
    const found = execFileSync("docker", ["ps", "-aq", "--filter", `label=coffer.instance=${id}`], { encoding: "utf8" })
    const ids = found.split("\n").filter((line) => line !== "")
    if (ids.length > 0) execFileSync("docker", ["rm", "--force", "--volumes", ...ids], { stdio: "ignore" })
  }
}
