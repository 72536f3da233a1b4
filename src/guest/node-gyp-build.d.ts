/** The package has no types of its own. */
declare module "node-gyp-build" {
  /** Loads the add-on of the package in `folder`: its own build, else a prebuilt binary. */
  export default function nodeGypBuild(folder: string): unknown;
}
