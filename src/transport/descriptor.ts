/**
 * The descriptor under a Node stream: of a socket, a pipe of a child, or standard input and output.
 *
 * Node has no public way to it for sockets; `_handle.fd` is what all its versions have on POSIX.
 *
 * @returns `undefined` where there is none (destroyed, another platform, a stream of something
 *   else).
 */
export function descriptorOf(stream: object): number | undefined {
  const { _handle: handle, fd } = stream as StreamWithDescriptor;
  const found = handle?.fd ?? fd;
  return typeof found === "number" && found >= 0 ? found : undefined;
}

interface StreamWithDescriptor {
  readonly _handle?: { readonly fd?: number } | null;
  readonly fd?: number | null;
}
