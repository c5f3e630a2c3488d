# plan:
FROM scratch AS from
FROM scratch
ENV OWNER=1000:2000
COPY --chown=$OWNER --chmod=755 a /a
COPY --chmod=u=rwX,go-w b c /d/
COPY --link --from=from /e /e
COPY --parents --exclude=*.o --exclude=!keep.o src/./lib /f/
COPY * ./g?[ab]
