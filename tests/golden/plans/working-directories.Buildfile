# plan:
FROM scratch
USER 7:8
WORKDIR /a
WORKDIR b/./c/..
WORKDIR /
