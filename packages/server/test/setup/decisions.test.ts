import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keyringsOf, publicSources, sourcesFromIndexTargets, sourcesList } from "../../src/setup/apt-sources.ts";
import { followBuild } from "../../src/setup/base-image-progress.ts";
import { baseImageRecipe, mmdebstrapArgv } from "../../src/setup/base-image-recipe.ts";
import { distributionOf, type Machine, parseOsRelease } from "../../src/setup/machine.ts";
import { followInstall } from "../../src/setup/packages.ts";
import { acquireSettingsFrom, madisonVersions } from "../../src/setup/private-apt.ts";
import { versionIn } from "../../src/setup/programs.ts";
import { candidateSuites, releaseDate } from "../../src/setup/runsc.ts";

const bookworm = { vendor: "Debian", codename: "bookworm" } as const;

function machine(osRelease: string): Machine {
  return { platform: "linux", isRoot: true, osRelease: parseOsRelease(osRelease) };
}

describe("the distribution", () => {
  test("Debian names its release itself", () => {
    assert.deepEqual(distributionOf(machine('ID=debian\nVERSION_CODENAME="bookworm"\n')), bookworm);
  });

  test("a derivative of Ubuntu counts as the release it is made from", () => {
    const text = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=xia\nUBUNTU_CODENAME=noble\n';
    assert.deepEqual(distributionOf(machine(text)), { vendor: "Ubuntu", codename: "noble" });
  });

  test("others have none", () => {
    assert.equal(distributionOf(machine("ID=fedora\nVERSION_ID=43\n")), undefined);
    assert.equal(distributionOf(machine("")), undefined);
  });
});

describe("the machine's package sources", () => {
  const third = "https://example.test/apt/|bookworm|main|Example Corp";
  const targets = [
    "http://mirror.test/debian/|bookworm|main|Debian",
    "http://mirror.test/debian/|bookworm|contrib|Debian",
    "http://mirror.test/debian/|bookworm-updates|main|Debian",
    "http://mirror.test/debian-security/|bookworm-security|main|Debian",
    "http://mirror.test/debian/|sid|main|Debian",
    third,
  ].join("\n");

  test("are the distribution's own of this release, and no third party's", () => {
    const sources = sourcesFromIndexTargets(targets, bookworm, new Map());
    assert.deepEqual(
      sources.map(({ uri, suite, components }) => [uri, suite, components.join(" ")]),
      [
        ["http://mirror.test/debian/", "bookworm", "main"],
        ["http://mirror.test/debian/", "bookworm-updates", "main"],
        ["http://mirror.test/debian-security/", "bookworm-security", "main"],
      ],
    );
  });

  test("are told by their key where no list was fetched yet", () => {
    const unknown = ["http://mirror.test/debian/", "https://example.test/apt/"].map(
      (uri) => `${uri}|bookworm|main|$(ORIGIN)`,
    );
    const keyrings = new Map([
      ["http://mirror.test/debian/", "/usr/share/keyrings/debian-archive-keyring.gpg"],
      ["https://example.test/apt/", "/etc/apt/keyrings/example.gpg"],
    ]);
    const sources = sourcesFromIndexTargets(unknown.join("\n"), bookworm, keyrings);
    assert.deepEqual(
      sources.map(({ uri }) => uri),
      ["http://mirror.test/debian/"],
    );
  });

  test("have the keyring that either format of source file names", () => {
    const text = [
      "Types: deb\nURIs: http://one.test/debian http://two.test/debian/\nSuites: bookworm\nSigned-By: /k/both.gpg",
      "deb [arch=amd64 signed-by=/k/line.gpg] http://three.test/debian bookworm main",
      "Types: deb\nURIs: http://inline.test/debian\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----",
    ].join("\n\n");
    assert.deepEqual(
      [...keyringsOf(text)],
      [
        ["http://one.test/debian/", "/k/both.gpg"],
        ["http://two.test/debian/", "/k/both.gpg"],
        ["http://three.test/debian/", "/k/line.gpg"],
      ],
    );
  });

  test("show no credentials and no keyring of the machine's own inside an image", () => {
    const source = { suite: "bookworm", components: ["main"] };
    const list = sourcesList(
      publicSources([
        { ...source, uri: "https://user:secret@mirror.test/debian/", signedBy: "/etc/apt/keyrings/own.gpg" },
        { ...source, uri: "http://mirror.test/debian/", signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg" },
      ]),
    );
    assert.equal(
      list,
      "deb https://mirror.test/debian/ bookworm main\n" +
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian/ bookworm main\n",
    );
  });
});

test("of apt's configuration only what reaches a mirror is taken over", () => {
  const dump = [
    'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/*.bin";',
    'Acquire::http::Proxy "http://proxy.test:3128";',
    'Acquire::IndexTargets::deb::DEP-11::MetaKey "x";',
    'Dir::State "var/lib/apt";',
  ].join("\n");
  assert.deepEqual(acquireSettingsFrom(dump).trim().split("\n"), [
    'Acquire::http::Proxy "http://proxy.test:3128";',
    'Dir::Etc::netrc "/etc/apt/auth.conf";',
    'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
  ]);
});

describe("runsc", () => {
  test("versions are read in the project's and in the distribution's spelling", () => {
    assert.equal(releaseDate("runsc version release-20240729.0\nspec: 1.1.0"), 20_240_729);
    assert.equal(releaseDate("0.0~20221219.0-1+b7"), 20_221_219);
    assert.equal(releaseDate("runsc version VERSION_MISSING"), undefined);
  });

  test("versions of a package come without those of others and without repetition", () => {
    const output = [
      " runsc | 0.0~20240729.0-4~bpo12+1 | http://mirror.test/debian bookworm-backports/main amd64 Packages",
      " runsc | 0.0~20240729.0-4~bpo12+1 | http://mirror.test/debian bookworm-backports/main Sources",
      " runsc | 0.0~20221219.0-1 | http://mirror.test/debian bookworm/main amd64 Packages",
      " golang-gvisor | 1 | x",
    ].join("\n");
    assert.deepEqual(madisonVersions(output, "runsc"), ["0.0~20240729.0-4~bpo12+1", "0.0~20221219.0-1"]);
  });

  test("suites that fit the machine's release are tried first", () => {
    assert.deepEqual(candidateSuites(bookworm), ["bookworm-backports", "bookworm", "stable", "testing"]);
  });
});

describe("the base image", () => {
  test("has one name a release and recipe", () => {
    const recipe = baseImageRecipe(bookworm);
    assert.match(recipe.name, /^base-bookworm-[0-9a-f]{12}$/);
    assert.equal(recipe.name, baseImageRecipe({ ...bookworm }).name);
    assert.notEqual(recipe.name.slice(-12), baseImageRecipe({ vendor: "Debian", codename: "trixie" }).name.slice(-12));
  });

  test("is made from the sources given, in the directory given", () => {
    const argv = mmdebstrapArgv(baseImageRecipe(bookworm), "/target", "/sources");
    assert.deepEqual(argv.slice(-3), ["bookworm", "/target", "/sources"]);
    assert.ok(argv.some((argument) => argument.startsWith("--include=") && argument.includes("python3-pip")));
  });

  test("shows how far it is, and never goes back", () => {
    const follow = followBuild();
    const lines = [
      "I: running apt-get update...",
      "I: downloading packages with apt...",
      "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
      "Get:1 http://mirror.test bookworm/main amd64 dash [1 kB]",
      "Get:2 http://mirror.test bookworm/main amd64 bash [1 kB]",
      "I: extracting archives...",
      "I: installing essential packages...",
      "Unpacking dash (1) ...",
      "Setting up dash (1) ...",
      "I: installing remaining packages inside the chroot...",
      "0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.",
      "Get:1 http://mirror.test bookworm/main amd64 python3 [1 kB]",
      "Unpacking python3 (3) ...",
      "Setting up python3 (3) ...",
      "I: cleaning package lists and apt cache...",
    ];
    const states = lines.flatMap((line) => follow(line) ?? []);
    const fractions = states.map(({ fraction }) => fraction);
    assert.deepEqual(
      fractions,
      fractions.toSorted((a, b) => a - b),
    );
    assert.equal(states.at(-1)?.stage, "cleaning up");
    assert.ok((fractions.at(-1) ?? 0) > 0.9);
  });
});

test("the progress of apt-get install counts fetching, unpacking and setting up", () => {
  const follow = followInstall();
  const lines = [
    "0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.",
    "Get:1 http://mirror.test/debian bookworm/main amd64 crun amd64 1.8.1 [300 kB]",
    "Unpacking crun (1.8.1-1) ...",
    "Setting up crun (1.8.1-1) ...",
  ];
  const states = lines.flatMap((line) => follow(line) ?? []);
  assert.deepEqual(
    states.map(({ stage }) => stage),
    ["fetching packages", "unpacking packages", "setting packages up"],
  );
  assert.equal(states.at(-1)?.fraction, 1);
});

test("a version is found in what programs say of themselves", () => {
  assert.equal(versionIn("crun version 1.8.1\ncommit: f8a096be"), "1.8.1");
  assert.equal(versionIn("nftables v1.0.6 (Lester Gooch #5)"), "1.0.6");
  assert.equal(versionIn("ip utility, iproute2-6.1.0, libbpf 1.1.0"), "6.1.0");
  assert.equal(versionIn("no number"), undefined);
});
