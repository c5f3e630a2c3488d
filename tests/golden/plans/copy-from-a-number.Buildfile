# plan:
FROM scratch
COPY a /
FROM scratch
COPY b /
FROM scratch
COPY --from=0 /a /
COPY --from=1 /b /
