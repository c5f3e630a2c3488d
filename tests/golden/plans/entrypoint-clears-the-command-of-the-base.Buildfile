# plan:
FROM scratch AS base
CMD ["base"]
FROM base
ENTRYPOINT ["e"]
