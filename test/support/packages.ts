/**
 * Programs that tests run and this project does not bring. On Debian as root what is missing is installed,
 * quietly; elsewhere tests use what is there, and say what is not.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { promisify } from "node:util"

const run = promisify(execFile)

const isDebianRoot = process.getuid?.() === 0 && existsSync("/etc/debian_version")

/** Whether a test may not be skipped for what this machine could have. */
export const mustNotSkip = process.env["CI"] === "true" && isDebianRoot

/** Another test file may be installing at this moment. */
const installWithin = 300_000
const pause = 500

const aptGet = async (...args: ReadonlyArray<string>) => {
  const quiet = ["-q", "-o", "Dpkg::Use-Pty=0", "-o", `DPkg::Lock::Timeout=${installWithin / 1000}`]
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, maxBuffer: 64 << 20 }
  for (const deadline = Date.now() + installWithin; ; ) {
    try {
      return await run("apt-get", [...quiet, ...args], options)
    } catch (error) {
      // The lists have a lock of their own, for which apt-get does not wait.
      if (!/Could not get lock|Unable to lock/.test(String(error)) || Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}

/** Something that tests need: how to see that it works, and the packages that bring it. */
export interface Requirement {
  readonly name: string
  /** A command that ends with 0 when it is there. */
  readonly probe: readonly [command: string, ...args: ReadonlyArray<string>]
  readonly packages: ReadonlyArray<string>
}

const works = ({ probe: [command, ...args] }: Requirement) =>
  run(command, args).then(
    () => true,
    () => false
  )

/** Null when it is there, installed if need be; else what is missing and why. Throws where a skip is not allowed. */
export const ensurePackages = async (requirement: Requirement): Promise<string | null> => {
  if (await works(requirement)) return null
  const wanted = `${requirement.name} (${requirement.packages.join(", ")})`
  if (!isDebianRoot) return `${wanted} is not installed`
  try {
    await aptGet("update")
    await aptGet("install", "-y", "--no-install-recommends", ...requirement.packages)
  } catch (error) {
    // It may be only that its service could not be started here, which nobody asked for.
    if (!(await works(requirement))) return refuse(`${wanted} could not be installed: ${String(error).slice(0, 500)}`)
  }
  return (await works(requirement)) ? null : refuse(`${wanted} was installed and does not work`)
}

const refuse = (missing: string) => {
  if (mustNotSkip) throw new Error(missing)
  return missing
}

export const curl: Requirement = { name: "curl", probe: ["curl", "--version"], packages: ["curl", "ca-certificates"] }

export const psql: Requirement = { name: "psql", probe: ["psql", "--version"], packages: ["postgresql-client"] }

export const mariadbClient: Requirement = {
  name: "MariaDB's client",
  probe: ["mariadb", "--version"],
  packages: ["mariadb-client"]
}

/** What makes and grows file systems. */
export const fileSystems: Requirement = {
  name: "programs for XFS and ext4",
  probe: ["/bin/sh", "-ec", "command -v mkfs.xfs; command -v xfs_growfs; command -v mkfs.ext4; command -v resize2fs"],
  packages: ["xfsprogs", "e2fsprogs"]
}

export const zsh: Requirement = { name: "zsh", probe: ["zsh", "--version"], packages: ["zsh"] }

export const openstackClient: Requirement = {
  name: "OpenStack's client with its database commands",
  probe: ["openstack", "help", "database", "instance", "list"],
  packages: ["python3-openstackclient", "python3-troveclient"]
}

/** Where Debian keeps what Go programs are built from. */
const goPath = "/usr/share/gocode"
export const goEnvironment = { GO111MODULE: "off", GOPATH: goPath }

export const gophercloud: Requirement = {
  name: "Go with gophercloud",
  probe: ["/bin/sh", "-ec", `go version; test -d ${goPath}/src/github.com/gophercloud/gophercloud/openstack/db/v1`],
  packages: ["golang-go", "golang-github-gophercloud-gophercloud-dev"]
}

/** Debian's own Python, the only one that has Debian's modules. */
export const debianPython = "/usr/bin/python3"

export const osloMessaging: Requirement = {
  name: "oslo.messaging",
  probe: [debianPython, "-c", "import oslo_messaging"],
  packages: ["python3-oslo.messaging"]
}

/** Trove's modules, of which peers take the exceptions. */
export const troveModules: Requirement = {
  name: "Trove's Python modules",
  probe: [debianPython, "-c", "import trove.common.exception"],
  packages: ["python3-trove"]
}

/** Keystone itself, without the service that its package would start. */
export const keystone: Requirement = {
  name: "Keystone",
  probe: [
    "/bin/sh",
    "-ec",
    `command -v setpriv; command -v openssl; command -v keystone-wsgi-public; ${debianPython} -c "import keystone"`
  ],
  packages: ["python3-keystone", "openssl", "util-linux"]
}

/** OpenStack's dashboard with Trove's panels, without the web server that would serve it. */
export const dashboard: Requirement = {
  name: "Horizon with Trove's panels",
  probe: [debianPython, "-c", "import openstack_dashboard, trove_dashboard"],
  packages: ["python3-trove-dashboard"]
}

const rabbitmqPrograms = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "erl", "epmd", "openssl", "setpriv"]

/** The server is run from its own folder: Debian's command would change the user to `rabbitmq`. */
export const rabbitmq: Requirement = {
  name: "RabbitMQ",
  probe: ["/bin/sh", "-ec", 'for each; do command -v "$each"; done', "sh", ...rabbitmqPrograms],
  packages: ["rabbitmq-server", "openssl", "util-linux"]
}

/** Who may reach databases is enforced by it. */
export const nftables: Requirement = {
  name: "nftables",
  probe: ["nft", "list", "tables"],
  packages: ["nftables"]
}
