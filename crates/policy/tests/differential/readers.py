"""Reads URIs, one JSON text in a line, with a parser of another program; answers with one reading in a line.

`null` for a URI that the parser refuses. The parser is named by the first argument.
"""

import json
import sys


def python():
    from urllib.parse import urlsplit

    def read(uri):
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        if not host:
            return None
        # `hostname` takes the brackets off.
        if ":" in host:
            host = "[" + host + "]"
        return {"host": host, "port": port, "path": parts.path, "query": parts.query or None}

    return read


def urllib3():
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    def read(uri):
        try:
            parts = parse_url(uri)
        except LocationParseError:
            return None
        if not parts.host:
            return None
        return {"host": parts.host, "port": parts.port, "path": parts.path or "", "query": parts.query}

    return read


def curl():
    import ctypes

    lib = ctypes.CDLL("libcurl.so.4")
    lib.curl_url.restype = ctypes.c_void_p
    lib.curl_url_cleanup.argtypes = [ctypes.c_void_p]
    lib.curl_url_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    lib.curl_url_get.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_uint]
    lib.curl_free.argtypes = [ctypes.c_void_p]
    # CURLUPart of curl/urlapi.h.
    url, host, port, path, query = 0, 5, 6, 7, 8

    def get(handle, part):
        out = ctypes.c_void_p()
        if lib.curl_url_get(handle, part, ctypes.byref(out), 0) != 0:
            return None
        text = ctypes.string_at(out).decode("latin-1")
        lib.curl_free(out)
        return text

    def read(uri):
        handle = lib.curl_url()
        try:
            # No flags: what `curl URI` does, but for guessing schemes.
            if lib.curl_url_set(handle, url, uri.encode("latin-1"), 0) != 0:
                return None
            number = get(handle, port)
            return {
                "host": get(handle, host),
                "port": int(number) if number else None,
                "path": get(handle, path),
                "query": get(handle, query) or None,
            }
        finally:
            lib.curl_url_cleanup(handle)

    return read


READERS = {"python": python, "urllib3": urllib3, "curl": curl}

try:
    READ = READERS[sys.argv[1]]()
except (ImportError, OSError) as error:
    print(error, file=sys.stderr)
    sys.exit(3)
for line in sys.stdin:
    print(json.dumps(READ(json.loads(line))))
