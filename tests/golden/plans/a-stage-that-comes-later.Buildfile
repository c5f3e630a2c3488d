# plan:
FROM scratch
COPY --from=later /a /
FROM scratch AS later
FROM scratch
COPY --from=0 / /
