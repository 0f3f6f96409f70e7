/**
 * Builds the images that the tests run databases in, from Debian's packages only: `coffer-test/postgres:15`,
 * `coffer-test/mariadb:10.11`, and for upgrades `coffer-test/mariadb:11.8` in the same way from the Debian after that. An image
 * carries the hash of what it was made from, and is left alone while that is unchanged. By hand: `node test/images/build.ts`.
 */
import { execFile, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { access, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { promisify } from "node:util"

export const testImages = { postgresql: "coffer-test/postgres:15", mariadb: "coffer-test/mariadb:10.11" } as const

const run = promisify(execFile)
const here = import.meta.dirname
/** Of Debian, by the names of its releases. */
type Suite = "bookworm" | "trixie"
const baseOf = (suite: Suite) => `coffer-test/base:${suite}`
export const baseImage = baseOf("bookworm")
export const newerMariadb = "coffer-test/mariadb:11.8"
/** What the base is made from; part of its hash. */
const trims = ["doc", "man", "info", "locale", "i18n"].map((folder) => `path-exclude=/usr/share/${folder}/*`)
const inputsLabel = "coffer.test.inputs"

const inputsOf = async (image: string) => {
  const format = `{{index .Config.Labels "${inputsLabel}"}}`
  return run("docker", ["image", "inspect", "--format", format, image]).then(
    ({ stdout }) => stdout.trim(),
    () => null
  )
}

const hash = (parts: ReadonlyArray<string | Uint8Array>) => {
  const sum = createHash("sha256")
  for (const part of parts) sum.update(part).update("\0")
  return sum.digest("hex")
}

const hasBootstrapper = async () => {
  if (await run("mmdebstrap", ["--version"]).catch(() => null)) return true
  const debian = await access("/etc/debian_version").then(
    () => true,
    () => false
  )
  if (!debian || process.getuid?.() !== 0) return false
  await run("apt-get", ["update", "-q"])
  await run("apt-get", ["install", "-qy", "--no-install-recommends", "mmdebstrap"])
  return true
}

/** A minimal Debian made here, or the public one where there is no mmdebstrap (then a registry is needed). */
const ensureBase = async (suite: Suite) => {
  const inputs = hash(trims)
  const image = baseOf(suite)
  if ((await inputsOf(image)) === inputs) return image
  if (!(await hasBootstrapper())) return `debian:${suite}-slim`
  // Who is killed in the middle leaves a truncated system, which must not bear the name.
  const half = `${image}-half-${process.pid}`
  const source = `deb http://deb.debian.org/debian ${suite} main`
  // Nobody will miss these packages after a crash: dpkg need not sync each file to the disk.
  const options = [...trims, "force-unsafe-io"].map((option) => `--dpkgopt=${option}`)
  const args = ["--variant=apt", "--quiet", ...options, suite, "-", source]
  const bootstrap = spawn("mmdebstrap", args, { stdio: ["ignore", "pipe", "inherit"] })
  const load = spawn("docker", ["import", "--change", `LABEL ${inputsLabel}=${inputs}`, "-", half], {
    stdio: ["pipe", "ignore", "inherit"]
  })
  const loaded = new Promise<void>((resolve, reject) => {
    load.once("error", reject)
    load.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`docker import ended with ${code}`))))
  })
  // A bootstrap that fails ends the stream early, and would be imported as a truncated system: its code decides.
  const made = new Promise<void>((resolve, reject) => {
    bootstrap.once("error", reject)
    bootstrap.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`mmdebstrap ended with ${code}`))))
  })
  try {
    await Promise.all([pipeline(bootstrap.stdout, load.stdin), loaded, made])
    await run("docker", ["tag", half, image])
  } finally {
    await run("docker", ["image", "rm", half]).catch(() => null)
  }
  return image
}

const buildOne = async (folder: string, image: string, suite: Suite = "bookworm") => {
  const names = (await readdir(folder)).sort()
  const files = await Promise.all(names.map((name) => readFile(join(folder, name))))
  const inputs = hash([...trims, ...names, ...files])
  if ((await inputsOf(image)) === inputs) return
  const from = await ensureBase(suite)
  const labels = ["--label", `${inputsLabel}=${inputs}`, "--label", "coffer.test=true"]
  const args = ["build", "--quiet", "--force-rm", "--tag", image, "--build-arg", `BASE=${from}`, ...labels, folder]
  await run("docker", args, { maxBuffer: 64 << 20 }).catch((error: { readonly stderr?: string }) => {
    throw new Error(`${image} was not built:\n${(error.stderr ?? String(error)).slice(-2000)}`)
  })
}

/** Both images are there, and up to date, after this. */
export const buildImages = async () => {
  const engines = [
    [join(here, "postgres"), testImages.postgresql],
    [join(here, "mariadb"), testImages.mariadb]
  ] as const
  for (const [folder, image] of engines) await buildOne(folder, image)
  return testImages
}

/** The MariaDB that 10.11 is upgraded to. It takes over a minute the first time: for the tests that need it alone. */
export const buildNewerMariadb = () => buildOne(join(here, "mariadb"), newerMariadb, "trixie")

if (import.meta.main) {
  console.time("images")
  await buildImages()
  await buildNewerMariadb()
  console.timeEnd("images")
}
