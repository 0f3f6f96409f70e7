/** What Trove's own software needs here, as Debian has it: release 18. */
import { existsSync } from "node:fs"
import { rm, writeFile } from "node:fs/promises"
import { debianPython, ensurePackages, type Requirement } from "../../support/packages.ts"

const commands = (names: ReadonlyArray<string>, modules: string) =>
  [
    "/bin/sh",
    "-ec",
    `for each; do command -v "$each"; done; ${debianPython} -c "import ${modules}"`,
    "sh",
    ...names
  ] as const

const serverPrograms = ["unshare", "flock", "findmnt", "losetup", "ip", "mkfs.ext4", "dockerd", "docker", "setsid"]

export const troveGuestAgent: Requirement = {
  name: "Trove's guest agent",
  probe: commands(["trove-guestagent", ...serverPrograms], "docker, pymysql"),
  packages: ["trove-guestagent", "python3-docker", "docker.io", "util-linux", "mount", "iproute2", "e2fsprogs"]
}

export const troveConductor: Requirement = {
  name: "Trove's conductor",
  probe: commands(["trove-conductor", "setpriv"], "migrate"),
  packages: ["trove-conductor", "util-linux"]
}

/** What Debian's installers ask before they start a service, and its answer "do not". */
const policy = "/usr/sbin/policy-rc.d"
const startNothing = "#!/bin/sh\nexit 101\n"

/** As `ensurePackages`, and no service is started by it: Trove's would take the messages of whatever broker they find. */
export const ensureTrove = async (requirement: Requirement): Promise<string | null> => {
  const isInstalled = existsSync("/usr/bin/trove-guestagent") && existsSync("/usr/bin/trove-conductor")
  const isAsked = !isInstalled && process.getuid?.() === 0 && existsSync("/etc/debian_version")
  // Where somebody else has an answer there, it stays.
  const isOurs = isAsked && (await writeFile(policy, startNothing, { mode: 0o755, flag: "wx" }).then(yes, no))
  try {
    return await ensurePackages(requirement)
  } finally {
    if (isOurs) await rm(policy, { force: true })
  }
}

const yes = () => true
const no = () => false
