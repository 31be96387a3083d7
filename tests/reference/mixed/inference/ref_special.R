# Tests by term with an empty cell and with prior weights. Run: Rscript ref_special.R <folder with data/>
suppressPackageStartupMessages({library(lme4);library(lmerTest);library(jsonlite)})
x<-read.csv(file.path(commandArgs(TRUE)[1],"data","sim3_12inst.csv")); x$g<-c("a","b","c")[1+x$inst%%3]; x$w<-0.5+x$x^2
y<-x[!(x$g=="b"&x$wave==2),]
ctl<-lmerControl(optimizer="bobyqa",optCtrl=list(rhoend=1e-10,maxfun=1e5))
f<-y~g*factor(wave)+x+(1|inst)+(1|person)
out<-list(); ms<-list(empty_cell=suppressMessages(lmer(f,y,control=ctl)),weights=lmer(f,x,weights=w,control=ctl))
for(n in names(ms)) for(t in 1:3){ a<-as.data.frame(suppressMessages(anova(ms[[n]],type=t))); out[[n]][[c("I","II","III")[t]]]<-list(term=rownames(a),df_num=a$NumDF,df_den=a$DenDF,F=a[["F value"]]) }
writeLines(toJSON(out,digits=I(17),auto_unbox=TRUE),"special.json")
