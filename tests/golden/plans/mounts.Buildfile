# plan: --secret id=token,src=mounts.Buildfile --ssh default=/nowhere.sock
FROM busybox AS tools
FROM busybox
WORKDIR /work
RUN --mount=type=bind,source=src,target=in,rw --mount=type=bind,from=tools,source=/bin,target=/tools true
RUN --mount=type=cache,id=one,target=/one,sharing=locked,mode=0700,uid=1,gid=2 --mount=type=cache,target=two true
RUN --mount=type=tmpfs,target=/tmp,size=10m true
RUN --mount=type=secret,id=token,env=TOKEN --mount=type=secret,id=other,target=/other,mode=0440,required=false true
RUN --mount=type=ssh,required true
RUN --network=none --mount=type=cache,target=/filled,from=tools,source=/etc true
