"""Takes a sound checkpoint folder apart and puts it together wrongly."""

import json
import os
import shutil
import struct
from pathlib import Path


class BrokenFolder:
    """A copy of a folder whose files can be damaged one at a time."""

    def __init__(self, source, target):
        self.path = Path(target)
        self.path.mkdir(parents=True)
        for file in Path(source).iterdir():
            if file.is_file():
                shutil.copyfile(file, self.path / file.name)

    def file(self, name="model.safetensors"):
        return self.path / name

    def first_shard(self):
        return next(iter(sorted(self.path.glob("model*.safetensors"))))

    def edit_json(self, name, change):
        content = json.loads(self.file(name).read_text())
        replacement = change(content)
        self.file(name).write_text(json.dumps(content if replacement is None else replacement))

    def edit_config(self, change):
        self.edit_json("config.json", change)

    def edit_text_config(self, **keys):
        """Sets keys of text_config; a value of `...` removes the key."""
        def change(config):
            for key, value in keys.items():
                if value is ...:
                    del config["text_config"][key]
                else:
                    config["text_config"][key] = value
        self.edit_config(change)

    def split(self, name=None):
        """Header (dict) and data (bytes) of a safetensors file."""
        raw = (self.file(name) if name else self.first_shard()).read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        return json.loads(raw[8:8 + length]), raw[8 + length:]

    def join(self, header, data, name=None):
        """Writes a safetensors file; `header` is a dict, or the bytes of a broken one."""
        if not isinstance(header, bytes):
            header = json.dumps(header).encode()
        target = self.file(name) if name else self.first_shard()
        target.write_bytes(struct.pack("<Q", len(header)) + header + data)

    def edit_header(self, change):
        header, data = self.split()
        replacement = change(header)
        self.join(header if replacement is None else replacement, data)

    def edit_entry(self, suffix, **keys):
        """Changes the header entry of the tensor whose name ends with `suffix`; None removes it."""
        def change(header):
            name = next(key for key in header if key.endswith(suffix))
            header[name].update(keys)
        self.edit_header(change)

    def drop_tensor(self, suffix):
        """Removes a tensor so that the rest of the file stays sound."""
        header, data = self.split()
        name = next(key for key in header if key.endswith(suffix))
        begin, end = header.pop(name)["data_offsets"]
        for key, entry in header.items():
            if key != "__metadata__" and entry["data_offsets"][0] >= end:
                entry["data_offsets"] = [offset - (end - begin) for offset in entry["data_offsets"]]
        self.join(header, data[:begin] + data[end:])

    def add_tensor(self, name, dtype, shape, payload, target=None):
        header, data = self.split(target)
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(payload)]}
        self.join(header, data + payload, target)

    def fill(self, suffix, byte):
        """Overwrites a tensor's data with one byte value."""
        header, data = self.split()
        name = next(key for key in header if key.endswith(suffix))
        begin, end = header[name]["data_offsets"]
        self.join(header, data[:begin] + bytes([byte]) * (end - begin) + data[end:])

    def truncate(self, size, name=None):
        os.truncate(self.file(name) if name else self.first_shard(), size)
