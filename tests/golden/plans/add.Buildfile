# plan:
FROM scratch
ADD archive.tar /out/
ADD --unpack=false archive.tar /
ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://example.com/dir/file /got/
ADD --unpack=true --chmod=644 http://example.com/b.tar /b/
ADD --keep-git-dir=true https://example.com/r.git#v1:sub /repository
