# plan:
FROM busybox
COPY go.mod /src/
RUN echo download
COPY . /src/
RUN --mount=type=bind,target=/context echo build
