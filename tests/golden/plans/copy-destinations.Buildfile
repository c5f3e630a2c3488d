# plan:
FROM scratch
COPY a b
WORKDIR /work
COPY a b
COPY a ./
COPY a ../c/
COPY a /d/../e
COPY /../../a /f
